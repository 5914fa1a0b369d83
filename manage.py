#!/usr/bin/env python3
"""Django's command line for the whole bazaar."""

import os
import sys

from bazaar.__main__ import manage


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
    manage(sys.argv)


if __name__ == "__main__":
    main()
