"""The `bazaar` command: the server, and Django's management commands, for the installed package."""

import os
import sys

NEEDED = "This needs the server's packages: pip install 'model-bazaar[server]'"


def main() -> None:
    """`bazaar server` is what `script/server` is in a checkout; all else is `manage.py`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit(NEEDED)
    if sys.argv[1:2] == ["server"]:
        from bazaar.server.__main__ import main as serve

        del sys.argv[1]
        sys.exit(serve())
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
