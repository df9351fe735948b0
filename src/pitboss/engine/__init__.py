"""The imperative shell of a run: sessions, the loop, recovery; the only code that decides and acts."""
