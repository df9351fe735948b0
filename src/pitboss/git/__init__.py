"""Git through its command line, and nothing of runs: status, snapshots, commits, merges, locks, the index."""
