"""Where sessions work, and how their work gets home: landed on the run branch, or kept under rescue refs."""
