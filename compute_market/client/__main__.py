"""The market on the command line."""

import sys

from compute_market.client.cli import main

sys.exit(main())
