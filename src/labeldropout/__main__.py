"""`python -m labeldropout`: the command line."""

import sys

from labeldropout.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
