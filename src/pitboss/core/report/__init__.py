"""The report on a night: what came of it, what it cost and what needs a person, as one value (SPEC 11)."""
