"""The choosers: each implements the port in `core.chooser`."""
