"""What model services say when they fail, whichever CLI passes it on (SPEC 6)."""
