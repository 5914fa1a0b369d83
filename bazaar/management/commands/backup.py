"""`manage.py backup`: make, look through and put back backups (docs/operate/backup.md)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from bazaar import paths
from bazaar.backups import creating, restoring, verifying
from bazaar.backups.errors import BackupFailed, Damaged
from bazaar.backups.sealing import Sealer
from bazaar.backups.storage import Archive, open_target
from foundation import environment as env
from foundation.errors import Refusal


class Command(BaseCommand):
    help = "Back up this hub beside its work, look a backup through, list backups, or restore one."
    # `restore` finds no tables yet.
    requires_migrations_checks = False
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        chosen = {
            "create": "Store rows, git and objects; what an earlier backup has is not stored again.",
            "verify": "Read a backup back and compare every byte with its hash.",
            "list": "Show the complete backups.",
            "restore": "Make this hub what it was.",
        }
        for verb, text in chosen.items():
            one = verbs.add_parser(verb, help=text, description=text)
            where = env.text("BAZAAR_BACKUP_TO")
            one.add_argument(
                "--to" if verb == "create" else "--from",
                dest="where",
                default=where,
                metavar="PLACE",
                help="A folder, or s3://BUCKET/PREFIX. Without it: BAZAAR_BACKUP_TO.",
            )
            if verb in {"verify", "restore"}:
                one.add_argument(
                    "name", nargs="?", default="", help="The beginning of its name; else the newest."
                )
            if verb == "restore":
                one.add_argument(
                    "--replace",
                    action="store_true",
                    help="Put aside what this hub holds, and restore over it.",
                )
                one.add_argument(
                    "--verify",
                    action="store_true",
                    help="Afterwards check everything, and name what is damaged.",
                )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            archive = Archive(open_target(options["where"]), Sealer(env.text("BAZAAR_BACKUP_KEY")))
            getattr(self, f"_{options['verb']}")(archive, options)
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

    def _list(self, archive: Archive, options: dict[str, Any]) -> None:
        for name in archive.names():
            try:
                manifest = archive.manifest(name)
            except Damaged as error:
                self.stdout.write(f"{name}\tdamaged: {error}")
                continue
            size = filesizeformat(manifest.size_bytes)
            self.stdout.write(
                f"{name}\t{manifest.engine}\t{manifest.version}\t{len(manifest.files)} files\t{size}"
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
        found = restoring.restore(archive, name, replace=options["replace"])
        made_at = f"{found.manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
        self.stdout.write(
            f"Restored {name}: {found.repositories} repositories and {found.objects} objects as of {made_at}."
        )
        if found.put_aside:
            self.stdout.write(f"What was here is in {found.put_aside}; delete it when you do not need it.")
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
