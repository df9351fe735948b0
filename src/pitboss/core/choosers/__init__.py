"""The choosers there are: each implements the port in `core.chooser`."""
