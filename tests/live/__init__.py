"""`make agents`: the real CLIs under the real pitboss, against a model service of our own on this machine (SPEC 6)."""
