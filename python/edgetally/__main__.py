"""`python -m edgetally`."""

import sys

from edgetally.cli import main

sys.exit(main())
