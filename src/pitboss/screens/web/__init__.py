"""The web page of `pitboss serve`: the same runs as in the terminal, for a browser (SPEC 10)."""
