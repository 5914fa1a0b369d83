"""The `bazaar` command: the server, and Django's management commands, for the installed package."""

import os
import sys
from importlib.util import find_spec

from bazaar import __version__

NEEDED = "This needs the server's packages: pip install 'model-bazaar[server]'"


def main() -> None:
    """Run `bazaar server` (in a checkout `script/server`), `bazaar --version` or a command of `manage.py`."""
    if sys.argv[1:] == ["--version"]:
        print(f"model-bazaar {__version__}")  # noqa: T201 - what the command is for
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
    if find_spec("django") is None:
        sys.exit(NEEDED)
    if sys.argv[1:2] == ["server"]:
        from bazaar.server.__main__ import main as serve

        del sys.argv[1]
        sys.exit(serve())
    manage()


def manage() -> None:
    """Django's command line."""
    from django.core.management import execute_from_command_line

    from foundation.environment import told_in_a_sentence

    told_in_a_sentence(lambda: execute_from_command_line(sys.argv))()


if __name__ == "__main__":
    main()
