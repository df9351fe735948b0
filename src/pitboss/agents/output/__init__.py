"""What every agent's output has in common: lines, JSON, tool calls, session files (SPEC 6)."""
