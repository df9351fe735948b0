"""What people see of runs: viewers that read only `core` and `store` and never reach the engine (SPEC 9)."""
