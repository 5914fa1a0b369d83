"""Works that are started by one button: data (`starters.json`), each for containers and for processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from compute_market.leases.errors import WorkInvalid
from compute_market.offers.models import Node

CONTAINERS = frozenset({"podman", "docker"})


@dataclass(frozen=True, slots=True)
class Starter:
    """One button. `container` and `process` hold image, command and ports; `opens` names the port to show."""

    id: str
    icon: str
    names: Mapping[str, str]
    texts: Mapping[str, str]
    container: Mapping[str, Any]
    process: Mapping[str, Any]
    opens: str

    def name(self, language: str) -> str:
        return self.names.get(language) or self.names["en"]

    def about(self, language: str) -> str:
        return self.texts.get(language) or self.texts["en"]

    def work_on(self, node: Node) -> dict[str, Any] | None:
        """The arguments for `run_work` to start it there; None if the node cannot run it."""
        if CONTAINERS & set(node.runners):
            return {"image": "", **self.container}
        if "process" in node.runners and node.provider.allows_processes:
            return {"image": "", **self.process}
        return None


@cache
def all_starters() -> Sequence[Starter]:
    rows = json.loads(Path(__file__).with_suffix(".json").read_text())
    return tuple(
        Starter(
            id=row["id"],
            icon=row["icon"],
            names=row["name"],
            texts=row["about"],
            container=row["container"],
            process=row["process"],
            opens=row["opens"],
        )
        for row in rows
    )


def work_of(starter_id: str, node: Node) -> dict[str, Any]:
    """The arguments for `run_work` to start this one on a node. Raises: WorkInvalid."""
    starter = next((starter for starter in all_starters() if starter.id == starter_id), None)
    work = starter.work_on(node) if starter is not None else None
    if work is None:
        raise WorkInvalid(field="starter", reason="this node cannot start it")
    return work
