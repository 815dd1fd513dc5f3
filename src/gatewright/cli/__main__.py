"""`python -m gatewright.cli`, where the program itself is not on the path."""

import sys

from gatewright.cli import main

sys.exit(main())
