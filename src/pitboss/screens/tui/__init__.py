"""The TUI of `pitboss watch`: a viewer in a process of its own, which reads the run directory (SPEC 10)."""
