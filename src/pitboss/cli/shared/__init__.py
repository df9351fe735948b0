"""What commands share, and what is loaded before any of them: no module here is a command."""
