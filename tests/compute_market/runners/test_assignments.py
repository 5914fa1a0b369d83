"""An agent accepts valid assignments, and no hub can make it do anything else."""

from __future__ import annotations

from typing import Any

import pytest

from compute_market.runners.assignments import MalformedAssignment, read_assignments

TOKEN = "6f1c2c6e-7d3e-4e86-9a40-2b8f0d1f1f00"


def lease(**changes: Any) -> dict[str, Any]:
    work = {
        "token": TOKEN,
        "state": "queued",
        "runner": "process",
        "image": "",
        "command": ["true"],
        "environment": {"A": ""},
        "stop": False,
    }
    work_changes = changes.pop("work", {})
    return {
        "id": 7,
        "token": TOKEN.upper(),
        "state": "active",
        "gpus": [0, 1],
        "seconds_left": 60.5,
        "work": None if work_changes is None else work | work_changes,
        **changes,
    }


class TestReadAssignments:
    def test_gives_leases_and_their_work(self) -> None:
        (found,), refused = read_assignments({"leases": [lease()]})
        assert not refused
        assert (found.lease_id, found.token, found.gpus, found.seconds_left) == (7, TOKEN, (0, 1), 60.5)
        assert found.work is not None
        assert (found.work.command, dict(found.work.environment)) == (("true",), {"A": ""})
        ((idle,), _) = read_assignments({"leases": [lease(work=None)]})
        assert idle.work is None

    def test_keeps_words_as_they_are(self) -> None:
        words = ["sh", "", "  a  ", "x\n", "\u202e"]
        ((found,), _) = read_assignments({"leases": [lease(work={"command": words})]})
        assert found.work is not None
        assert list(found.work.command) == words

    @pytest.mark.parametrize(
        "change",
        [
            {"work": {"token": "../../victim"}},
            {"work": {"token": "/etc"}},
            {"work": {"token": f"{TOKEN}/.."}},
            {"work": {"token": 5}},
            {"token": "--privileged"},
            {"id": "7"},
            {"id": True},
            {"gpus": ["0; rm"]},
            {"gpus": [-1]},
            {"gpus": [10**9]},
            {"gpus": [1.5]},
            {"gpus": None},
            {"seconds_left": "soon"},
            {"seconds_left": float("nan")},
            {"work": {"command": []}},
            {"work": {"command": [""]}},
            {"work": {"command": "rm -rf /"}},
            {"work": {"command": ["a\x00b"]}},
            {"work": {"command": ["x" * 10**6]}},
            {"work": {"command": ["x"] * 2000}},
            {"work": {"environment": {"A=B": "c"}}},
            {"work": {"environment": {"": "c"}}},
            {"work": {"environment": {"A": 1}}},
            {"work": {"environment": ["A"]}},
            {"work": {"image": "x" * 1000}},
            {"work": {"runner": None}},
        ],
    )
    def test_leaves_out_what_is_no_assignment_and_keeps_the_others(self, change: dict[str, Any]) -> None:
        found, refused = read_assignments({"leases": [lease(**change), lease(id=8), "nonsense"]})
        assert [order.lease_id for order in found] == [8]
        assert len(refused) == 2

    @pytest.mark.parametrize("answer", [{}, {"leases": None}, {"leases": {}}])
    def test_refuses_what_is_no_list(self, answer: dict[str, Any]) -> None:
        with pytest.raises(MalformedAssignment):
            read_assignments(answer)
