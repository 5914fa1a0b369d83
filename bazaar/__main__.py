"""The `bazaar` command of the installed package: the server, and Django's management commands."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from bazaar import __version__

# Other distributions add words by entry points of this group; each is called with the words that follow.
COMMANDS = "bazaar.commands"
HELP = """\
usage: bazaar WORD ...

  bazaar server             run the whole bazaar in this terminal; `bazaar server --help` lists the options
  bazaar manage COMMAND     one of the commands for operators, such as
      doctor                    check every dependency and setting
      create_user NAME          make an account
      backup create             back the hub up
      help                      list all commands
{added}  bazaar --version          print the version
  bazaar --help             print this

Data is kept in {data} (BAZAAR_DATA_DIR).
`bazaar COMMAND` is short for `bazaar manage COMMAND`.
"""


def main() -> None:
    """Run what the first word of the command line names."""
    word, rest = "".join(sys.argv[1:2]), sys.argv[2:]
    if word in {"", "-h", "--help", "help"} and not rest:
        print(usage(), end="")  # noqa: T201 - what the command is for
        return
    if word == "--version":
        print(f"model-bazaar {__version__}")  # noqa: T201 - what the command is for
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
    if word == "server":
        from bazaar.server.__main__ import main as serve

        sys.exit(serve(rest))
    for added in entry_points(group=COMMANDS, name=word):
        run: Callable[[list[str]], int | None] = added.load()
        sys.exit(run(rest))
    manage(["bazaar manage", *(rest if word == "manage" else sys.argv[1:])])


def usage() -> str:
    """The help of the command, with the words that installed distributions add."""
    from bazaar.paths import data_folder

    found: list[EntryPoint] = sorted(entry_points(group=COMMANDS), key=lambda each: each.name)
    added = "".join(f"  bazaar {each.name:<19}`bazaar {each.name} --help` explains it\n" for each in found)
    return HELP.format(added=added, data=data_folder())


def manage(words: list[str]) -> None:
    """Django's command line; the first of the words is the program's name."""
    from django.core.management import execute_from_command_line

    from foundation.environment import told_in_a_sentence

    told_in_a_sentence(lambda: execute_from_command_line(words))()


if __name__ == "__main__":
    main()
