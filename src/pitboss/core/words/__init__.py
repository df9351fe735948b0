"""The words for a run, the same in the footer, `status`, the TUI, the web page and the report (SPEC 8, 10)."""
