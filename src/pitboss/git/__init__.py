"""Git through its command line: a repository's state, rescue refs, worktrees."""
