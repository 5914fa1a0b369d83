"""Migrations since the last release leave it working, and lock no table that is used (ADR 0213)."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import migrations, models
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from foundation.database import migration_steps
from foundation.database.migration_steps import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from tests.architecture import released, schema_rules

# Migrations with faults that were accepted, and why.
ACCEPTED = {
    "audit.0002_chained": "its indexes are built on the audit log of a release candidate; its NOT NULL "
    "column has a default of the database from 0003 on",
    "matching.0012_notice_cursors": "it copies one row a shard into a table that is new",
}


@pytest.fixture(scope="module")
def graph() -> MigrationGraph:
    graph: MigrationGraph = MigrationLoader(None, ignore_no_migrations=True).graph
    return graph


@pytest.fixture(scope="module")
def baseline(graph: MigrationGraph) -> ProjectState:
    """The state of the last release, with what it depends on."""
    nodes = [(app, names[-1]) for app, names in released.last().migrations.items()]
    return graph.make_state(nodes)


class TestSinceTheLastRelease:
    def test_no_migration_of_a_release_is_gone(self, graph: MigrationGraph) -> None:
        gone = [
            f"{app}.{name}"
            for app, names in released.last().migrations.items()
            for name in names
            if (app, name) not in graph.nodes
        ]
        assert gone == [], "databases of that release record them as applied"

    def test_migrations_leave_the_last_release_working(
        self, graph: MigrationGraph, baseline: ProjectState
    ) -> None:
        known = released.last().migrations
        state, found = baseline.clone(), {}
        plan = [node for leaf in sorted(graph.leaf_nodes()) for node in graph.forwards_plan(leaf)]
        for app, name in dict.fromkeys(plan):
            is_ours = apps.get_app_config(app).name.startswith(("hub.", "compute_market."))
            if not is_ours or name in known.get(app, []):
                continue
            if faults := list(schema_rules.faults(graph.nodes[app, name], state, baseline)):
                found[f"{app}.{name}"] = faults
        assert {name: faults for name, faults in found.items() if name not in ACCEPTED} == {}
        assert set(ACCEPTED) == set(found), "an exception that nothing needs"


# ---- the rules themselves ----------------------------------------------------------------------------

OLD = [
    migrations.CreateModel(
        "Thing",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=20)),
            ("size", models.IntegerField(null=True)),
            ("mark", models.CharField(max_length=9, db_default="")),
        ],
    )
]
INDEX = models.Index(fields=["name"], name="thing_name")
CHECK = models.CheckConstraint(condition=models.Q(size__gt=0), name="thing_size")
UNIQUE = models.UniqueConstraint(fields=["name"], name="thing_once")


def migration(*operations: Operation, atomic: bool = True) -> Migration:
    kind = type("Made", (Migration,), {"operations": operations, "atomic": atomic})
    made: Migration = kind("0002_made", "hall")
    return made


def faults(made: Migration) -> list[str]:
    old = ProjectState()
    for step in OLD:
        step.state_forwards("hall", old)
    return list(schema_rules.faults(made, old.clone(), old))


def sql(text: str) -> migrations.RunSQL:
    return migrations.RunSQL(text, migrations.RunSQL.noop)


REFUSED: dict[str, Operation] = {
    "a column goes": migrations.RemoveField("thing", "size"),
    "a column is renamed": migrations.RenameField("thing", "size", "length"),
    "a table goes": migrations.DeleteModel("Thing"),
    "a table is renamed": migrations.RenameModel("Thing", "Object"),
    "a table gets another name": migrations.AlterModelTable("thing", "things"),
    "a column must be filled": migrations.AddField("thing", "kind", models.CharField(max_length=5)),
    "only Python has the default": migrations.AddField("thing", "kind", models.IntegerField(default=0)),
    "a column is unique": migrations.AddField("thing", "key", models.IntegerField(null=True, unique=True)),
    "a column has an index": migrations.AddField(
        "thing", "at", models.IntegerField(null=True, db_index=True)
    ),
    "a column must be filled now": migrations.AlterField("thing", "size", models.IntegerField()),
    "a default goes": migrations.AlterField("thing", "mark", models.CharField(max_length=9)),
    "a type changes": migrations.AlterField("thing", "size", models.BigIntegerField(null=True)),
    "a text gets shorter": migrations.AlterField("thing", "name", models.CharField(max_length=10)),
    "an index locks": migrations.AddIndex("thing", INDEX),
    "a check locks": migrations.AddConstraint("thing", CHECK),
    "a unique constraint locks": migrations.AddConstraint("thing", UNIQUE),
    "rows are filled": migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop),
    "SQL drops a column": sql('ALTER TABLE "hall_thing" DROP COLUMN "size"'),
    "SQL drops a table": sql("DROP TABLE hall_thing"),
    "SQL renames": sql("ALTER TABLE hall_thing RENAME COLUMN size TO length"),
    "SQL builds an index": migration_steps.on_postgresql(["CREATE INDEX a ON hall_thing (name)"], []),
    "SQL adds a constraint": sql("ALTER TABLE hall_thing ADD CONSTRAINT a CHECK (size > 0)"),
    "SQL forbids nulls": sql("ALTER TABLE hall_thing ALTER COLUMN size SET NOT NULL"),
    "SQL fills rows": sql("UPDATE hall_thing SET size = 1"),
    "the state forgets a column that must be filled": migrations.SeparateDatabaseAndState(
        state_operations=[migrations.RemoveField("thing", "name")]
    ),
    "the fault is one level down": migrations.SeparateDatabaseAndState(
        database_operations=[migrations.AddIndex("thing", INDEX)]
    ),
}
ALLOWED: dict[str, Migration] = {
    "a column may be null": migration(migrations.AddField("thing", "at", models.DateTimeField(null=True))),
    "a column has a default": migration(
        migrations.AddField("thing", "kind", models.IntegerField(db_default=0, default=0))
    ),
    "a table comes, with an index": migration(
        migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("other", "name", models.CharField(max_length=5)),
        migrations.AddIndex("other", models.Index(fields=["name"], name="other_name")),
    ),
    "a text gets longer": migration(
        migrations.AlterField("thing", "name", models.CharField(max_length=30, help_text="Longer."))
    ),
    "a column may be null now": migration(
        migrations.AlterField("thing", "name", models.CharField(max_length=20, null=True))
    ),
    "an index is built concurrently": migration(AddIndexConcurrently("thing", INDEX), atomic=False),
    "a constraint is not validated": migration(AddConstraintNotValid("thing", CHECK)),
    "a constraint is validated": migration(ValidateConstraint("thing", "thing_size")),
    "the state forgets a column that may be null": migration(
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("thing", "size")])
    ),
    "SQL drops a column that the last release does not use": migration(
        sql("ALTER TABLE hall_thing DROP COLUMN forgotten")
    ),
    "SQL adds a constraint that is not validated": migration(
        sql("ALTER TABLE hall_thing ADD CONSTRAINT a CHECK (size > 0) NOT VALID")
    ),
}


class TestRules:
    @pytest.mark.parametrize("what", REFUSED)
    def test_refuse(self, what: str) -> None:
        assert faults(migration(REFUSED[what]))

    @pytest.mark.parametrize("what", ALLOWED)
    def test_allow(self, what: str) -> None:
        assert faults(ALLOWED[what]) == []

    def test_know_which_migrations_have_a_transaction(self) -> None:
        concurrently = AddIndexConcurrently("thing", INDEX)
        assert faults(migration(concurrently))
        added = migrations.AddField("thing", "at", models.DateTimeField(null=True))
        assert faults(migration(concurrently, added, atomic=False))
        assert faults(
            migration(AddConstraintNotValid("thing", CHECK), ValidateConstraint("thing", "thing_size"))
        )
