"""pitboss: runs coding agents on a repository overnight, and loses nothing."""

__version__ = "0.4.0"
