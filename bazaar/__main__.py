"""The `bazaar` command: the server, and Django's management commands, for the installed package."""

import os
import sys
from importlib.metadata import entry_points

from bazaar import __version__

# Other distributions add words by entry points of this group; each is called with the words that follow.
COMMANDS = "bazaar.commands"


def main() -> None:
    """Run `bazaar server` (in a checkout `script/server`), `bazaar --version` or a command of `manage.py`.

    Installed distributions may add commands.
    """
    if sys.argv[1:] == ["--version"]:
        print(f"model-bazaar {__version__}")  # noqa: T201 - what the command is for
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
    word = "".join(sys.argv[1:2])
    if word == "server":
        from bazaar.server.__main__ import main as serve

        del sys.argv[1]
        sys.exit(serve())
    for added in entry_points(group=COMMANDS, name=word):
        sys.exit(added.load()(sys.argv[2:]))
    manage()


def manage() -> None:
    """Django's command line."""
    from django.core.management import execute_from_command_line

    from foundation.environment import told_in_a_sentence

    told_in_a_sentence(lambda: execute_from_command_line(sys.argv))()


if __name__ == "__main__":
    main()
