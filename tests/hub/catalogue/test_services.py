from __future__ import annotations

import io
import itertools

import pytest
from django.core.management import call_command

from hub.accounts.principals import SYSTEM
from hub.catalogue import files, services
from hub.catalogue.entries import Entry, entries, organizations
from hub.repos import services as repositories
from hub.repos.models import Repository
from hub.revisions.facts.card import validate_card
from tests.factories.hub import NOW

MODELS = [entry for entry in entries() if entry.kind == "model"]


class TestEntries:
    @pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
    def test_have_a_card_without_a_flaw(self, entry: Entry) -> None:
        text = files.regular(entry)["README.md"].decode()
        assert validate_card(text, entry.kind) == ([], [])
        assert "占位" in text or entry.kind != "model"

    def test_belong_to_organizations_of_the_catalogue(self) -> None:
        assert {entry.id.partition("/")[0] for entry in entries()} == {row.name for row in organizations()}

    def test_name_bases_of_the_catalogue_mostly(self) -> None:
        known = {entry.id for entry in MODELS}
        outside = {entry.base for entry in MODELS if entry.base and entry.base not in known}
        assert outside == {"Qwen/Qwen2.5-Math-7B", "Qwen/Qwen3-8B-Base"}

    def test_are_the_same_bytes_every_time(self) -> None:
        assert files.large(MODELS[0]) == files.large(MODELS[0])
        assert files.large(MODELS[0]) != files.large(MODELS[1])

    @pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.id)
    def test_have_weights_of_a_few_kilobytes(self, entry: Entry) -> None:
        (data,) = files.large(entry).values()
        header = data[8 : 8 + int.from_bytes(data[:8], "little")]
        assert len(data) < 200_000
        assert b'"BF16"' in header


@pytest.mark.django_db
class TestFill:
    def test_makes_what_is_missing_and_leaves_the_rest(self) -> None:
        services.ensure_organizations()
        services.ensure_organizations()
        wanted = services.missing_entries()
        assert len(wanted) == len(entries())
        first = list(itertools.islice(services.fill(wanted, now=NOW), 8))
        assert services.missing_entries() == wanted[len(first) :]
        made = Repository.objects.get(full_name=first[-1].id)
        assert made.facts.safetensors is not None
        assert made.facts.pipeline_tag == "text-generation"
        assert made.facts.card_errors == []

    def test_fills_what_was_made_and_not_filled(self) -> None:
        services.ensure_organizations()
        entry = MODELS[0]
        repositories.create_repository(
            actor=SYSTEM,
            request=repositories.NewRepository(kind="model", repo_id=entry.id),
            now=NOW,
        )
        assert entry in services.missing_entries()
        assert list(services.fill([entry], now=NOW)) == [entry]
        assert entry not in services.missing_entries()

    def test_says_so_when_nothing_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(services, "entries", lambda: MODELS[:2])
        output = io.StringIO()
        call_command("seed", stdout=output, stderr=io.StringIO())
        call_command("seed", stdout=output, stderr=io.StringIO())
        assert "complete" in output.getvalue()
