"""`python -m pitboss`: the same door as the installed command."""

from pitboss.cli.main import main

if __name__ == "__main__":
    main()
