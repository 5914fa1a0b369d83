"""The objects of the Helm chart, rendered by Helm itself: no cluster takes part.

Helm is a library of Go with threads and signal handlers of its own, so it runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.servers.remote import ROOT

CHART = ROOT / "deploy" / "chart"
RELEASE = "rel"


@dataclass(frozen=True)
class Rendered:
    """The objects that the chart makes of one set of values, or its reason for refusing them."""

    objects: list[dict[str, Any]]
    refusal: str = ""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str = "") -> dict[str, Any]:
        (found,) = [item for item in self.of(kind) if item["metadata"]["name"].endswith(name)]
        return found

    def pods(self) -> dict[str, dict[str, Any]]:
        """The name of each workload → the `spec` of its pods."""
        return {
            item["metadata"]["name"]: item["spec"]["template"]["spec"]
            for item in self.objects
            if "template" in item.get("spec", {})
        }


def render(sets: Sequence[Mapping[str, Any]]) -> list[Rendered]:
    """Render the chart with each set of values, in one process of Helm."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.deploy.rendered"],
        input=json.dumps(list(sets)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = []
    for answer in json.loads(done.stdout):
        texts = [text for path, text in answer["files"].items() if path.endswith(".yaml")]
        documents = [item for text in texts for item in yaml.safe_load_all(text) if item]
        found.append(Rendered(documents, answer["refusal"]))
    return found


def main() -> None:
    import helm_python

    answers = []
    helm_python.disable_logging()
    with helm_python.Chart.load(CHART) as chart:
        for values in json.load(sys.stdin):
            try:
                chart.validate_schema(values)
                files = chart.render(values, name=RELEASE, namespace="hub")
            except helm_python.HelmError as error:
                answers.append({"files": {}, "refusal": str(error)})
            else:
                answers.append({"files": files, "refusal": ""})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
