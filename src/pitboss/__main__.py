"""`python -m pitboss`: the same door as the installed command."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Where one stands may be a clone, and a module there may have any name.
        del sys.path[0]

    from pitboss.cli.main import main

    main()
