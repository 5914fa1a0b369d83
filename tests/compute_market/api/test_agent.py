from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from compute_market.leases import jobs, selectors
from compute_market.leases.models import Lease, Work
from compute_market.offers import agents, services
from compute_market.offers.models import Node
from tests.clock import moment
from tests.factories import market
from tests.factories.market import namespace_of, trader

pytestmark = pytest.mark.django_db

BASE = "/api/market/v1/agent"


class AgentClient:
    """An agent as it should be; what the headers say can be changed."""

    def __init__(self, client: Client, *, key_id: str, key: str, instance: str = "machine-a") -> None:
        self.client = client
        self.key_id = key_id
        self.key = key
        self.instance = instance
        self.nonce = 0
        self.ahead_s = 0

    def headers(self, action: str, body: bytes) -> dict[str, str]:
        self.nonce += 1
        timestamp = int(moment().timestamp()) + self.ahead_s
        digest = hashlib.sha256(body).hexdigest()
        text = f"POST\n{BASE}/{action}\n{timestamp}\n{self.nonce}\n{self.instance}\n{digest}"
        return {
            "X-Agent-Key-Id": self.key_id,
            "X-Agent-Timestamp": str(timestamp),
            "X-Agent-Nonce": str(self.nonce),
            "X-Agent-Instance": self.instance,
            "X-Agent-Signature": hmac.new(self.key.encode(), text.encode(), hashlib.sha256).hexdigest(),
        }

    def post(self, action: str, body: dict[str, Any], *, headers: dict[str, str] | None = None) -> Any:
        data = json.dumps(body).encode()
        headers = self.headers(action, data) if headers is None else headers
        return self.client.post(f"{BASE}/{action}", data, content_type="application/json", headers=headers)


def key_for(gpus: int = 2) -> str:
    owner = trader()
    provider = services.register_provider(actor=owner, namespace_id=namespace_of(owner), now=moment())
    services.allow_processes(actor=owner, provider=provider, allowed=True)
    return services.issue_enrolment_key(
        actor=owner, provider=provider, product=market.product(), name="rack", gpus=gpus, now=moment()
    )


@pytest.fixture
def agent(client: Client) -> AgentClient:
    answer = client.post(
        f"{BASE}/enrol",
        {"key": key_for(), "instance": "machine-a", "runners": ["process"]},
        content_type="application/json",
    )
    assert answer.status_code == 201
    made = answer.json()
    return AgentClient(client, key_id=made["key_id"], key=made["key"])


def ready(agent: AgentClient) -> Node:
    devices = [
        {"index": index, "model": "h100-sxm-80g", "memory_mb": 81920, "driver": "", "uuid": ""}
        for index in range(2)
    ]
    answer = agent.post("report", {"method": "declared", "devices": devices})
    assert answer.json()["state"] == "ready"
    agent.post("heartbeat", {"runners": ["process", "fake"]})
    return Node.objects.get()


class TestEnrol:
    def test_takes_a_key_once(self, client: Client) -> None:
        body = {"key": key_for(), "instance": "machine-a"}
        codes = [
            client.post(f"{BASE}/enrol", body, content_type="application/json").status_code for _ in range(2)
        ]
        assert codes == [201, 401]

    def test_names_what_is_malformed(self, client: Client) -> None:
        answer = client.post(f"{BASE}/enrol", {"key": 1}, content_type="application/json")
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert "instance" in answer.json()["errors"]


class TestSigning:
    def test_lets_an_agent_in(self, agent: AgentClient) -> None:
        assert agent.post("heartbeat", {}).status_code == 200

    def test_refuses_a_request_that_was_heard_before(self, agent: AgentClient) -> None:
        headers = agent.headers("heartbeat", b"{}")
        assert agent.post("heartbeat", {}, headers=headers).status_code == 200
        answer = agent.post("heartbeat", {}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "agent_replayed")

    def test_takes_requests_that_overtook_each_other_once_each(self, agent: AgentClient) -> None:
        signed = [agent.headers("heartbeat", b"{}") for _ in range(5)]
        order = [3, 0, 4, 1, 2, 0, 3, 4]
        answers = [agent.post("heartbeat", {}, headers=signed[number]) for number in order]
        assert [answer.status_code for answer in answers] == [200] * 5 + [401] * 3

    def test_tells_an_agent_with_a_lost_counter_where_it_was(self, agent: AgentClient) -> None:
        agent.nonce = 10**18
        agent.post("heartbeat", {})
        agent.nonce = 5
        problem = agent.post("heartbeat", {}).json()
        assert (problem["code"], problem["last_nonce"]) == ("agent_replayed", 10**18 + 1)
        agent.nonce = problem["last_nonce"]
        assert agent.post("heartbeat", {}).status_code == 200

    def test_tells_an_agent_with_a_wrong_clock_the_time(self, agent: AgentClient) -> None:
        agent.ahead_s = 3600
        problem = agent.post("heartbeat", {}).json()
        assert problem["code"] == "agent_clock_off"
        told = datetime.fromisoformat(problem["now"])
        assert abs((moment() - told).total_seconds()) < 60

    def test_says_that_a_node_is_retired(self, agent: AgentClient) -> None:
        Node.objects.update(state=Node.State.RETIRED)
        answer = agent.post("poll", {})
        assert (answer.status_code, answer.json()["code"]) == (401, "node_retired")

    def test_refuses_the_same_signature_on_another_body_or_call(self, agent: AgentClient) -> None:
        headers = agent.headers("heartbeat", b"{}")
        assert (
            agent.post("heartbeat", {"runners": ["fake"]}, headers=headers).json()["code"] == "agent_refused"
        )
        assert agent.post("poll", {}, headers=headers).json()["code"] == "agent_refused"

    def test_refuses_another_key_and_none(self, agent: AgentClient) -> None:
        for headers in ({}, agent.headers("poll", b"{}") | {"X-Agent-Key-Id": "mbk_other"}):
            assert agent.post("poll", {}, headers=headers).status_code == 401

    def test_denies_a_stolen_key_on_another_machine(self, agent: AgentClient) -> None:
        agent.instance = "machine-b"
        answer = agent.post("heartbeat", {})
        assert (answer.status_code, answer.json()["code"]) == (403, "agent_elsewhere")


class TestReport:
    def test_of_other_hardware_suspends_the_node_with_a_reason(self, agent: AgentClient) -> None:
        answer = agent.post("report", {"method": "nvml", "devices": []})
        assert answer.json()["state"] == "suspended"
        assert "reports 0" in answer.json()["reason"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"method": "guess", "devices": []},
            {"method": "nvml", "devices": "x"},
            {"method": "nvml", "devices": [{"index": "0"}]},
        ],
    )
    def test_that_is_malformed_is_refused(self, agent: AgentClient, body: dict[str, Any]) -> None:
        assert agent.post("report", body).status_code == 400
        assert Node.objects.get().state == "enrolled"


class TestWork:
    def test_goes_to_the_agent_and_its_story_comes_back(self, agent: AgentClient) -> None:
        node = ready(agent)
        holder = trader(funds=100)
        now = moment()
        lease = market.lease(node, holder=holder, start=now.replace(second=0, microsecond=0))
        jobs.start_leases(now=now)
        (job,) = agent.post("poll", {}).json()["leases"]
        assert (job["state"], job["gpus"], job["work"]) == ("provisioning", [0], None)
        event = {"lease": job["id"], "token": job["token"], "state": "ready"}
        assert agent.post("events", {"events": [event]}).json() == {
            "results": [{"accepted": True, "code": ""}]
        }
        work = market.run(lease, holder, "nvidia-smi", now=moment())
        (job,) = agent.post("poll", {}).json()["leases"]
        assert job["work"]["command"] == ["nvidia-smi"]
        token = job["work"]["token"]
        body = {"token": token, "offset": 0, "size": 4, "text": "ok\n\u00e9"[:3] + "!"}
        assert agent.post("logs", body).json() == {"expected": 4}
        told = [
            {"token": token, "state": "running"},
            {"token": token, "state": "exited", "exit_code": 0},
            {"token": "00000000-0000-0000-0000-000000000000", "state": "running"},
        ]
        results = agent.post("events", {"events": told}).json()["results"]
        assert [result["code"] for result in results] == ["", "", "stale_token"]
        work.refresh_from_db()
        assert (work.state, work.exit_code) == (Work.State.EXITED, 0)
        assert Lease.objects.get().state == "active"

    def test_that_is_malformed_leaves_the_others_valid(self, agent: AgentClient) -> None:
        node = ready(agent)
        holder = trader(funds=100)
        now = moment()
        lease = market.lease(node, holder=holder, start=now.replace(second=0, microsecond=0))
        jobs.start_leases(now=now)
        (job,) = agent.post("poll", {}).json()["leases"]
        agent.post("events", {"events": [{"lease": job["id"], "token": job["token"], "state": "ready"}]})
        work = market.run(lease, holder, "train", now=moment())
        token = str(work.token)
        told: list[Any] = [
            *("a text", {}, {"token": "../../x", "state": "failed"}, {"token": token, "state": "gone"}),
            *(None, [], 7),
            {"token": token, "state": "exited", "exit_code": 10**30},
            {"token": token, "state": "failed", "reason": "\x00" + 10_000 * "long "},
        ]
        results = agent.post("events", {"events": told}).json()["results"]
        assert [result["code"] for result in results] == ["invalid"] * 8 + [""]
        work.refresh_from_db()
        assert (work.state, len(work.reason)) == (Work.State.FAILED, 300)
        answer = agent.post("logs", {"token": token, "offset": 0, "size": 4, "text": "late"})
        assert (answer.status_code, answer.json()["code"]) == (409, "work_over")

    def test_with_output_that_no_database_holds_is_kept_as_far_as_possible(self, agent: AgentClient) -> None:
        node = ready(agent)
        holder = trader(funds=100)
        now = moment()
        lease = market.lease(node, holder=holder, start=now.replace(second=0, microsecond=0))
        jobs.start_leases(now=now)
        (job,) = agent.post("poll", {}).json()["leases"]
        agent.post("events", {"events": [{"lease": job["id"], "token": job["token"], "state": "ready"}]})
        work = market.run(lease, holder, "train", now=moment())
        body = {"token": str(work.token), "offset": 0, "size": 4, "text": "a\x00b\n"}
        assert agent.post("logs", body).json() == {"expected": 4}
        assert selectors.read_log(work)[0] == "a\N{REPLACEMENT CHARACTER}b\n"

    def test_of_another_node_stays_hidden(self, agent: AgentClient) -> None:
        ready(agent)
        now = moment()
        other = market.node(now=now)
        market.lease(other, start=now.replace(second=0, microsecond=0))
        jobs.start_leases(now=now)
        assert agent.post("poll", {}).json()["leases"] == []


class TestALyingAgent:
    """An agent reports only about its own node, and only within the rules."""

    def other(self, client: Client) -> tuple[AgentClient, Work, Lease]:
        """Another node's agent, what runs there, and its lease."""
        node = market.node(now=moment())
        node.instance = "machine-b"
        node.save(update_fields=["instance"])
        holder, now = trader(funds=100), moment()
        lease = market.lease(node, holder=holder, start=now.replace(second=0, microsecond=0))
        jobs.start_leases(now=now)
        lease.refresh_from_db()
        key = agents.agent_key(node.agent_key_id)
        agent = AgentClient(client, key_id=node.agent_key_id, key=key, instance="machine-b")
        event = {"lease": lease.pk, "token": str(lease.token), "state": "ready"}
        assert agent.post("events", {"events": [event]}).json()["results"][0]["accepted"]
        return agent, market.run(lease, holder, "train", now=now), lease

    def test_says_nothing_of_other_nodes_works_and_leases(self, client: Client, agent: AgentClient) -> None:
        """With tokens that it should not even know."""
        ready(agent)
        other, work, lease = self.other(client)
        theirs: dict[str, Any] = {"token": str(work.token)}
        told: list[dict[str, Any]] = [
            *(
                {**theirs, "state": state, "exit_code": 0}
                for state in ("running", "exited", "stopped", "failed")
            ),
            {"lease": lease.pk, "token": str(lease.token), "state": "failed", "reason": "broken"},
            {"lease": lease.pk, "token": str(lease.token), "state": "ready"},
            {"lease": 2**62, "token": str(lease.token), "state": "failed"},
            {"lease": lease.pk, "token": str(work.token), "state": "failed"},
        ]
        results = agent.post("events", {"events": told}).json()["results"]
        assert [result["accepted"] for result in results] == [False] * len(told)
        # The same refusal as for tokens of nobody: it learns nothing of what there is.
        nobody = "00000000-0000-4000-8000-000000000000"
        unknown = [{**event, "token": nobody} for event in told]
        codes = [result["code"] for result in agent.post("events", {"events": unknown}).json()["results"]]
        assert [result["code"] for result in results] == codes
        log = {**theirs, "offset": 0, "size": 4, "text": "lie\n"}
        answers = [agent.post("logs", {**log, "token": token}) for token in (theirs["token"], nobody)]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
            (409, "stale_token")
        ] * 2
        work.refresh_from_db()
        lease.refresh_from_db()
        assert (work.state, lease.state, selectors.read_log(work)[0]) == ("queued", "active", "")
        assert other.post("logs", log).json() == {"expected": 4}

    def test_gets_no_tickets_but_for_its_own_works(self, client: Client, agent: AgentClient) -> None:
        ready(agent)
        other, work, _ = self.other(client)
        assert agent.post("poll", {}).json()["leases"] == []
        (job,) = other.post("poll", {}).json()["leases"]
        assert (job["work"]["token"], bool(job["work"]["tunnel"])) == (str(work.token), True)

    @pytest.mark.parametrize("action", ["report", "heartbeat", "poll", "events", "logs"])
    def test_cannot_send_a_request_twice_by_any_call(self, agent: AgentClient, action: str) -> None:
        """Also after others: no number in the window and none before it counts again."""
        ready(agent)
        headers = agent.headers(action, b"{}")
        agent.post(action, {}, headers=headers)
        for later in (0, 1, 100):
            for _ in range(later):
                agent.post("heartbeat", {})
            answer = agent.post(action, {}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "agent_replayed")

    @pytest.mark.parametrize(
        ("action", "body"),
        [
            ("enrol", {"key": "mbe_guess", "instance": "x", "runners": [""] * 50_000}),
            ("heartbeat", {"runners": [""] * 50_000}),
            ("report", {"method": "declared", "devices": [{}] * 50_000}),
            ("events", {"events": [7] * 50_000}),
        ],
    )
    def test_gets_a_short_answer_to_a_huge_report(
        self, agent: AgentClient, action: str, body: dict[str, Any]
    ) -> None:
        """An error for each of its items would cost more than it sent."""
        ready(agent)
        answer = agent.post(action, body)
        # A body of nobody's is short anyway.
        assert answer.status_code == (413 if action == "enrol" else 400)
        assert len(answer.content) < 1000


class TestKey:
    def test_is_not_in_the_database(self, agent: AgentClient) -> None:
        stored = json.dumps(list(Node.objects.values()), default=str)
        assert agent.key not in stored
        assert agents.agent_key(agent.key_id) == agent.key
