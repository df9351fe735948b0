"""What commands share, and what is loaded before any of them. No module here is a command."""
