"""From a commit to its facts, and from facts to rows.

`read_facts` looks into git and the large objects and may be slow; it runs before a transaction.
`store_facts` writes rows and announces; it is a step of the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction

from foundation import byte_ranges
from foundation.byte_ranges import ReadRange
from hub import gitstore
from hub.gitstore import Entry
from hub.repos.models import Kind, Repository
from hub.revisions import objects
from hub.revisions.facts import card as cards
from hub.revisions.facts import config as configs
from hub.revisions.facts import front_matter, gguf, safetensors
from hub.revisions.facts import tags as tagging
from hub.revisions.facts.tags import Tag
from hub.revisions.file_lists import FileList
from hub.revisions.models import RepositoryFacts, RepositoryTag
from hub.revisions.signals import revision_indexed

# Above this a client walks the tree instead of the list; the hub it copies draws the same line.
SIBLINGS_MAX = 50_000
README_BYTES_MAX = 4 * 1024 * 1024
# Headers of large objects that one indexing may read; the rest of a huge repository goes uncounted.
HEADERS_MAX = 512
HEADER_BYTES_MAX = 64 * 1024 * 1024

Sibling = tuple[str, int, str, str | None, int | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one commit's files. Every field is JSON that both databases accept."""

    commit: str
    siblings: list[Sibling] | None
    files_total: int
    used_storage_bytes: int
    card_data: dict[str, Any] | None = None
    card_errors: list[str] = field(default_factory=list)
    text: str = ""
    config: dict[str, Any] | None = None
    transformers_info: dict[str, Any] | None = None
    safetensors: dict[str, Any] | None = None
    gguf: dict[str, Any] | None = None
    pipeline_tag: str = ""
    library_name: str = ""
    tags: list[Tag] = field(default_factory=list)
    headers: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters_total(self) -> int | None:
        counted = self.safetensors or self.gguf
        return counted.get("total") if counted else None


def read_facts(repository: Repository, commit: str) -> Facts:
    """Read the facts of a commit from its files. Malformed files give no facts; nothing is written.

    Unchanged files and known headers of weights are not read again: the stored facts have them.
    Raises: RevisionNotFound.
    """
    return FactsReader(repository).read(commit)


class FactsReader:
    """Reads the facts of one commit after another of a repository.

    The index is read once, for the first commit; each further commit costs only its differences.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.git = gitstore.open_repository(repository.storage)
        self.files: FileList | None = None
        self.known: dict[str, Any] = {}

    def read(self, commit: str) -> Facts:
        """As `read_facts`. Raises: RevisionNotFound."""
        if self.files is None:
            self.files = self._remembered()
        facts = _Reading(self.repository.kind, self.git, commit, self.files.at(commit), self.known).facts()
        self.known |= facts.headers
        return facts

    def _remembered(self) -> FileList:
        files = FileList(self.git)
        rows = RepositoryFacts.objects.filter(repository=self.repository)
        row = rows.values_list("commit_sha", "headers", "siblings").first()
        if row is not None:
            self.known = dict(row[1] or {})
            files.remember(row[0], row[2])
        return files


class Source(Protocol):
    """The source of a commit's files: a `GitRepository`, or one that was just made."""

    def entries(self, commit: str, path: str = "", *, recursive: bool = False) -> Iterator[Entry]: ...
    def read(self, oid: str) -> bytes: ...


def facts_of(kind: str, source: Source, commit: str) -> Facts:
    """As `read_facts`, for a repository that has no row yet."""
    files = [entry for entry in source.entries(commit, recursive=True) if entry.is_file]
    return _Reading(kind, source, commit, files, {}).facts()


class _Reading:
    """One pass over one commit."""

    def __init__(
        self, kind: str, git: Source, commit: str, files: list[Entry], known: Mapping[str, Any]
    ) -> None:
        self.kind = kind
        self.git = git
        self.commit = commit
        self.known = known
        self.headers: dict[str, Any] = {}
        self.headers_left, self.header_bytes_left = HEADERS_MAX, HEADER_BYTES_MAX
        self.files = files
        # Files that describe a repository are in its root, or have one of these endings anywhere.
        self.root = {entry.path: entry for entry in self.files if "/" not in entry.path}
        self.names = frozenset(entry.path for entry in self.files[:SIBLINGS_MAX])

    def facts(self) -> Facts:
        readme = self._small("README.md", README_BYTES_MAX)
        read = front_matter.read(cards.read_text(readme)) if readme is not None else None
        card = (read.data if read else None) or {}
        errors = [read.error] if read and read.error else []
        raw_config = configs.read_json(self._small("config.json", configs.BYTES_MAX))
        tokenizer = configs.read_json(self._small("tokenizer_config.json", configs.BYTES_MAX))
        is_model = self.kind == Kind.MODEL
        config = configs.trim(raw_config, tokenizer) if is_model else None
        library = tagging.library_of(card, self.names, raw_config) if is_model else ""
        task = tagging.transformers_task(card, raw_config, library) if is_model else ""
        body = read.body if read else ""
        seen = tagging.TagInputs(
            kind=self.kind,
            card=card,
            body=body[: 16 * cards.TEXT_MAX],
            names=self.names,
            config=config,
            library=library,
            task=task,
        )
        return Facts(
            commit=self.commit,
            siblings=self._siblings(),
            files_total=len(self.files),
            used_storage_bytes=sum(entry.content_size for entry in self.files),
            card_data=read.data if read else None,
            card_errors=errors,
            text=cards.prose(body),
            config=config,
            transformers_info=configs.transformers_info(raw_config, task)
            if library == "transformers"
            else None,
            safetensors=self._safetensors() if is_model else None,
            gguf=self._gguf() if is_model else None,
            pipeline_tag=task[: cards.SHORT_MAX],
            library_name=library[: cards.SHORT_MAX],
            tags=tagging.tags_of(seen),
            headers=self.headers,
        )

    def _siblings(self) -> list[Sibling] | None:
        if len(self.files) > SIBLINGS_MAX:
            return None
        return [
            (
                front_matter.clean_text(entry.path),
                entry.content_size,
                entry.oid,
                entry.pointer.oid if entry.pointer else None,
                entry.size if entry.pointer else None,
            )
            for entry in self.files
        ]

    def _small(self, path: str, bytes_max: int) -> bytes | None:
        """A file at the root, from git or, should somebody have put it into LFS, from there."""
        entry = self.root.get(path)
        if entry is None or entry.content_size > bytes_max:
            return None
        if entry.pointer is None:
            return self.git.read(entry.oid)
        read_range = objects.range_reader(entry.pointer)
        return read_range(0, entry.pointer.size) if read_range else None

    def _reader(self, entry: Entry) -> ReadRange | None:
        """Ranges of a file, until the commit's allowance for headers is used up."""
        if entry.pointer is not None:
            read_range = objects.range_reader(entry.pointer)
        elif entry.size > HEADER_BYTES_MAX:
            # Git gives a blob as a whole; weights of this size belong into LFS.
            return None
        else:
            read_range = byte_ranges.of_bytes(self.git.read(entry.oid))
        if read_range is None:
            return None

        def read(start: int, length: int) -> bytes:
            piece = read_range(start, min(length, self.header_bytes_left))
            self.header_bytes_left -= len(piece)
            return piece

        return read

    def _header(self, entry: Entry, read: Any) -> Any:
        """The facts of a weight file's header; those stored before if the blob is the same."""
        if self.headers_left <= 0:
            return None
        self.headers_left -= 1
        if entry.oid in self.known:
            found = self.known[entry.oid]
        else:
            read_range = self._reader(entry)
            if read_range is None:
                return None
            found = read(read_range)
        if found is not None:
            self.headers[entry.oid] = found
        return found

    def _safetensors(self) -> dict[str, Any] | None:
        index = self._small(safetensors.INDEX_NAME, safetensors.INDEX_BYTES_MAX)
        names = safetensors.files(self.root, index)
        counts = [self._header(self.root[name], safetensors.read) for name in names]
        return safetensors.total(count for count in counts if count)

    def _gguf(self) -> dict[str, Any] | None:
        """Of the first model in the repository: its other models are mostly other roundings of it."""
        weights = {entry.path: entry for entry in self.files if entry.path.endswith(".gguf")}
        for paths in gguf.models(weights):
            headers = [
                self._header(weights[path], gguf.read_total if number else gguf.read)
                for number, path in enumerate(paths)
            ]
            read = [header for header in headers if header is not None]
            if len(read) == len(paths) and (found := gguf.combine(read)) is not None:
                return found
        return None


def store_facts(repository: Repository, facts: Facts, *, now: datetime) -> None:
    """Step: make the rows say what the facts say, and announce it.

    Facts of an older commit never overwrite: the caller holds the repository's row.
    """
    with transaction.atomic():
        RepositoryFacts.objects.update_or_create(
            repository=repository,
            defaults=_columns(facts, now),
        )
        _store_tags(repository, facts.tags)
        revision_indexed.send(sender=Repository, repository=repository, facts=facts)


def _columns(facts: Facts, now: datetime) -> dict[str, Any]:
    return {
        "commit_sha": facts.commit,
        "pipeline_tag": facts.pipeline_tag,
        "library_name": facts.library_name,
        "parameters_total": facts.parameters_total,
        "used_storage_bytes": facts.used_storage_bytes,
        "files_total": facts.files_total,
        "indexed_at": now,
        "tags": [tag.value for tag in facts.tags if tag.type not in tagging.HIDDEN],
        "safetensors": facts.safetensors,
        "gguf": facts.gguf,
        "transformers_info": facts.transformers_info,
        "card_errors": facts.card_errors,
        "config": facts.config,
        "card_data": facts.card_data,
        "text": facts.text,
        "headers": facts.headers,
        "siblings": facts.siblings,
    }


def insert_facts(found: Sequence[tuple[Repository, Facts]], *, now: datetime) -> None:
    """Step: the rows of many repositories that have none yet. Nothing is announced."""
    RepositoryFacts.objects.bulk_create(
        RepositoryFacts(repository=repository, **_columns(facts, now)) for repository, facts in found
    )
    RepositoryTag.objects.bulk_create(
        RepositoryTag(repository=repository, kind=repository.kind, type=tag.type, value=tag.value)
        for repository, facts in found
        for tag in facts.tags
    )


def _store_tags(repository: Repository, tags: list[Tag]) -> None:
    wanted = {tag.value: tag.type for tag in tags}
    stored = dict(RepositoryTag.objects.filter(repository=repository).values_list("value", "type"))
    if stored == wanted:
        return
    gone = [value for value, type_ in stored.items() if wanted.get(value) != type_]
    if gone:
        RepositoryTag.objects.filter(repository=repository, value__in=gone).delete()
    RepositoryTag.objects.bulk_create(
        RepositoryTag(repository=repository, kind=repository.kind, type=type_, value=value)
        for value, type_ in wanted.items()
        if stored.get(value) != type_
    )
