"""What people see of runs: viewers that read `core` and `store` alone, and never reach the engine (SPEC 9)."""
