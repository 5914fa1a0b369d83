"""`manage.py backup`: make, look through, put back and remove backups (docs/operate/backup.md)."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from bazaar import paths
from bazaar.backups import creating, pruning, restoring, verifying
from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import Archive, open_target
from foundation import environment as env
from foundation.errors import Refusal

ACTS = {
    "create": "Store rows, git and objects; what an earlier backup has is not stored again.",
    "verify": "Read a backup back and compare every byte with its hash.",
    "list": "Show the complete backups and their sizes.",
    "restore": "Make this hub what it was.",
    "prune": "Remove old backups, and content that no other backup needs.",
}


class Command(BaseCommand):
    help = "Back up this hub beside its work, look a backup through, list, restore or remove backups."
    # `restore` finds no tables yet.
    requires_migrations_checks = False
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        # A mistake in the arguments raises CommandError, and `run_from_argv` prints it as one line.
        parser.called_from_command_line = False
        acts = parser.add_subparsers(dest="act", metavar="|".join(ACTS), required=True)
        for act, text in ACTS.items():
            one = acts.add_parser(act, help=text, description=text)
            one.add_argument(
                "--place",
                default=env.text("BAZAAR_BACKUP_TO"),
                help="A folder, or s3://BUCKET/PREFIX. Without it: BAZAAR_BACKUP_TO.",
            )
            if act in {"verify", "restore"}:
                one.add_argument(
                    "name", nargs="?", default="", help="The beginning of its name; else the newest."
                )
            if act == "restore":
                _add_arguments_of_restore(one)
            if act == "prune":
                _add_arguments_of_prune(one)

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except CommandError as error:
            if "--traceback" in argv:
                raise
            problem = str(error).removeprefix("Error: ").rstrip(".")
            helped = f"{paths.command('manage')} backup {_act_of(argv)}--help"
            self.stderr.write(f"{problem}. Help: {helped}")
            sys.exit(2)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            archive = Archive(open_target(options["place"]), Sealer(env.text("BAZAAR_BACKUP_KEY")))
            getattr(self, f"_{options['act']}")(archive, options)
        except (BackupFailed, Refusal) as error:
            raise CommandError(str(error)) from None

    def _create(self, archive: Archive, options: dict[str, Any]) -> None:
        made = creating.create(archive)
        seconds = (made.manifest.finished_at - made.manifest.made_at).total_seconds()
        self.stdout.write(
            f"{made.name}: {len(made.manifest.files)} files, {filesizeformat(made.manifest.size_bytes)}, of "
            f"which {filesizeformat(made.written_bytes)} are new; {seconds:.0f} s."
        )
        if not archive.sealer.is_on:
            self.stdout.write(
                "It is not encrypted (BAZAAR_BACKUP_KEY), so secret_key and the ssh host keys are not in it: "
                "keep them elsewhere."
            )
        self._end(made.name, made.missing, "")

    def _list(self, archive: Archive, options: dict[str, Any]) -> None:
        sizes = pruning.sizes(archive)
        names = archive.names()
        for name in names:
            try:
                manifest = archive.manifest(name)
            except Damaged as error:
                self.stdout.write(f"{name}\tdamaged: {error}")
                continue
            size, alone = filesizeformat(manifest.size_bytes), filesizeformat(sizes.alone_bytes.get(name, 0))
            self.stdout.write(
                f"{name}\t{manifest.engine}\t{manifest.version}\t{len(manifest.files)} files\t{size}\t"
                f"{alone} for it alone"
            )
        self.stdout.write(f"{len(names)} backups; {filesizeformat(sizes.stored_bytes)} are stored.")

    def _prune(self, archive: Archive, options: dict[str, Any]) -> None:
        if options["keep"] is None and options["days"] is None:
            raise CommandError("Say which backups stay: --keep NUMBER, --days NUMBER, or both")
        pruned = pruning.prune(
            archive, keep=options["keep"] or 0, days=options["days"] or 0, now=timezone.now()
        )
        for name in pruned.removed:
            self.stdout.write(f"Removed {name}.")
        self.stdout.write(
            f"{len(pruned.kept)} backups stay; {filesizeformat(pruned.freed_bytes)} are free again."
        )
        if pruned.waits:
            self.stdout.write(
                "A backup is being made, or was killed less than an hour ago: the next prune removes "
                "content that no backup needs."
            )

    def _verify(self, archive: Archive, options: dict[str, Any]) -> None:
        name = archive.find(options["name"])
        manifest = archive.manifest(name)
        self._end(
            name,
            list(verifying.problems_of_backup(archive, manifest)),
            f"{len(manifest.files)} files are right.",
        )

    def _restore(self, archive: Archive, options: dict[str, Any]) -> None:
        name = archive.find(options["name"])
        found = restoring.restore(archive, name, replace=options["replace"], keep_rows=options["keep_rows"])
        made_at = f"{found.manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
        self.stdout.write(
            f"Restored {name}: {found.repositories} repositories and {found.objects} objects as of {made_at}."
        )
        for folder in found.put_aside:
            self.stdout.write(f"What was here is in {folder}; delete it when you do not need it.")
        for lease in found.running_leases:
            self.stdout.write(f"This lease ran: {lease}.")
        resume = f"{paths.command('manage')} halt_market --resume"
        self.stdout.write(
            f"Trading is halted ({found.halted_products} products): {resume}. "
            "Access tokens made since are gone."
        )
        problems = list(found.refs)
        if options["verify"]:
            for finding in verifying.findings_of_doctor():
                self.stdout.write(f"doctor: {finding}")
            problems += verifying.problems_of_hub()
        self._end(name, problems, "Everything checked is right." if options["verify"] else "")

    def _end(self, name: str, problems: list[str], well: str) -> None:
        """Say what is damaged, a line each. Raises CommandError if anything is."""
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(f"{name}: {len(problems)} problems.")
        if well:
            self.stdout.write(well)


def _add_arguments_of_restore(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--replace", action="store_true", help="Put aside what this hub holds, and restore over it."
    )
    parser.add_argument(
        "--keep-rows",
        action="store_true",
        help="Restore git and objects for rows that PostgreSQL restored to a moment before the backup began.",
    )
    parser.add_argument(
        "--verify", action="store_true", help="Afterwards check everything, and name what is damaged."
    )


def _add_arguments_of_prune(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--keep", type=_at_least_one, metavar="NUMBER", help="The newest so many backups stay."
    )
    parser.add_argument(
        "--days",
        type=_at_least_one,
        metavar="NUMBER",
        help="Backups of the last so many days stay. With --keep, what one of the two keeps stays.",
    )


def _at_least_one(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 100_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")


def _act_of(argv: list[str]) -> str:
    """The act that the command line names, with a space, or nothing."""
    return next((f"{word} " for word in argv[2:] if word in ACTS), "")
