"""The report on a night: one file of HTML that needs nothing else, markdown, plain text and JSON (SPEC 11)."""
