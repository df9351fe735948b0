"""Coding agents: `driver` runs any of them, each CLI has a folder or a file, `table` lists them (SPEC 6)."""
