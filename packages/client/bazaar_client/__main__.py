"""The market on the command line."""

import sys

from bazaar_client.cli import main

sys.exit(main())
