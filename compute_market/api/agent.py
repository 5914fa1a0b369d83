"""The door for agents: enrol, report, be heard, ask for work, tell what came of it.

All but the enrolment are signed with the agent's key (`compute_market.offers.agents`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compute_market.api import problems
from compute_market.api.answers import agents as answers
from compute_market.leases import selectors as leases
from compute_market.leases import services as leasing
from compute_market.leases.models import Work
from compute_market.leases.states import State
from compute_market.offers import agents
from compute_market.offers import services as offers
from compute_market.offers.agents import SignedRequest
from compute_market.offers.errors import AgentRefused
from compute_market.offers.models import HardwareReport, Node
from foundation import bodies, clock
from foundation.errors import Refusal
from foundation.inputs import BoundedListField
from foundation.whole_numbers import INT64_MAX

EVENTS_MAX = 200
# A piece of output in JSON, each byte of it escaped, has a third of this.
BODY_BYTES_MAX = 1024 * 1024
MOVING_POLL_SECONDS = 1.0
# A holder may ask for a command at any moment; without a wake-up connection it is noticed so late.
UNWOKEN_POLL_SECONDS = 5.0
TOO_MANY = answers.EventResult(accepted=False, code="too_many_events")
TAG = "agents"


class EnrolBody(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=100)
    instance = serializers.CharField(max_length=64)
    runners = BoundedListField(child=serializers.CharField(max_length=20), max_length=20, default=list)


class DeviceBody(serializers.Serializer[Any]):
    """One accelerator of a report."""

    index = serializers.IntegerField(min_value=0)
    model = serializers.CharField(required=False, allow_blank=True)
    memory_mb = serializers.IntegerField(min_value=1)
    driver = serializers.CharField(required=False, allow_blank=True)
    uuid = serializers.CharField(required=False, allow_blank=True, help_text="Empty where it has none.")


@extend_schema_field(DeviceBody)
class DeviceOfReport(serializers.DictField):
    """A device of a report. `offers.hardware` checks it."""


class ReportBody(serializers.Serializer[Any]):
    method = serializers.ChoiceField(choices=HardwareReport.Method.values)
    devices = BoundedListField(child=DeviceOfReport(), max_length=256)
    host = serializers.DictField(default=dict, help_text="Facts of the machine by name, each a text.")


class HeartbeatBody(serializers.Serializer[Any]):
    runners = BoundedListField(child=serializers.CharField(max_length=20), max_length=20, default=list)


class Text(serializers.CharField):
    """A text that came from a tenant's program. It is stored as far as it can be, never refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **options)

    def to_internal_value(self, data: str) -> str:
        return leasing.storable(super().to_internal_value(data))


class EventBody(serializers.Serializer[Any]):
    """With `lease`, about a lease (`ready` or `failed`); without, about the work with that token."""

    lease = serializers.IntegerField(required=False, min_value=0, max_value=INT64_MAX)
    token = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["ready", "running", "exited", "stopped", "failed"])
    exit_code = serializers.IntegerField(required=False, allow_null=True, min_value=-255, max_value=255)
    reason = Text(required=False, default="")


@extend_schema_field(EventBody)
class EventOfBatch(serializers.JSONField):
    """One event of several, whatever it is: it is checked as an `EventBody` by itself and refused alone."""


class EventsBody(serializers.Serializer[Any]):
    """Events beyond the first `EVENTS_MAX` are refused."""

    events = BoundedListField(child=EventOfBatch(allow_null=True), max_length=10 * EVENTS_MAX)


class LogBody(serializers.Serializer[Any]):
    token = serializers.UUIDField()
    offset = serializers.IntegerField(min_value=0, max_value=leasing.LOG_OFFSET_MAX)
    size = serializers.IntegerField(min_value=1, max_value=leasing.LOG_SIZE_MAX)
    text = Text()


class AgentView(APIView):
    """Common parts of the agents' calls."""

    authentication_classes = ()
    permission_classes = ()

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return problems.handle

    def read(self, request: Request, body: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The body, of the given shape."""
        shaped = body(data=request.data)
        shaped.is_valid(raise_exception=True)
        return dict(shaped.validated_data)

    def node(self, request: Request, *, now: datetime) -> Node:
        """The node whose agent signed this request. Raises: AgentRefused, AgentReplayed, AgentElsewhere."""
        return offers.authenticate_agent(request=self.signed(request), now=now)

    def signed(self, request: Request) -> SignedRequest:
        """Parse the signature headers of a request. Raises: AgentRefused if they are missing."""
        headers = request.headers
        timestamp, nonce = headers.get("X-Agent-Timestamp", ""), headers.get("X-Agent-Nonce", "")
        if not (timestamp.isdecimal() and nonce.isdecimal() and len(timestamp) < 16 and len(nonce) < 20):
            raise AgentRefused(reason="it is not signed")
        key_id = headers.get("X-Agent-Key-Id", "")
        # The signature can only be checked with the body.
        bodies.allow_if(request._request, lambda: agents.is_known(key_id), BODY_BYTES_MAX)  # noqa: SLF001 - DRF's own way to it
        return SignedRequest(
            key_id=key_id,
            timestamp=int(timestamp),
            nonce=min(int(nonce), INT64_MAX),
            instance=headers.get("X-Agent-Instance", ""),
            signature=headers.get("X-Agent-Signature", ""),
            method=str(request.method),
            path=request.path_info,
            body_digest=hashlib.sha256(request.body).hexdigest(),
        )


class Enrol(AgentView):
    @extend_schema(tags=[TAG], request=EnrolBody, responses={201: answers.AgentEnrolled})
    def post(self, request: Request) -> Response:
        """Turn a one-time enrolment key into a node and its agent's own key."""
        body = self.read(request, EnrolBody)
        enrolment = offers.enrol(**body, now=clock.database_now())
        return Response(answers.AgentEnrolled.of(enrolment), status=201)


class Report(AgentView):
    @extend_schema(tags=[TAG], request=ReportBody, responses=answers.AgentStanding)
    def post(self, request: Request) -> Response:
        """Tell what hardware the machine has; other hardware than enrolled suspends the node."""
        now = clock.database_now()
        node = self.node(request, now=now)
        report = offers.report_hardware(node=node, **self.read(request, ReportBody), now=now)
        return Response(answers.AgentStanding.of(report.node, now=now))


class HeartbeatView(AgentView):
    @extend_schema(tags=[TAG], request=HeartbeatBody, responses=answers.AgentStanding)
    def post(self, request: Request) -> Response:
        """Say that the node is there. Nodes without fresh heartbeats stop trading."""
        now = clock.database_now()
        signed = self.signed(request)
        try:
            body = self.read(request, HeartbeatBody)
        except exceptions.APIException:
            # The proof and what is heard share a transaction; a body that is refused has no part in it.
            offers.authenticate_agent(request=signed, now=now)
            raise
        heard = offers.hear_request(request=signed, **body, now=now)
        return Response(answers.AgentStanding.of(heard, now=now))


class Poll(AgentView):
    @extend_schema(
        tags=[TAG], request=inline_serializer("AgentPoll", fields={}), responses=answers.AgentAssignments
    )
    def post(self, request: Request) -> Response:
        """Return the assignments of the node. The agent stops everything else that runs."""
        now = clock.database_now()
        node = self.node(request, now=now)
        found = leases.assignments(node=node, now=now)
        assigned = [answers.AssignedLease.of(job, now=now) for job in found]
        return Response(answers.AgentAssignments(now=now, leases=assigned, **_poll_again(found)))


class Events(AgentView):
    @extend_schema(tags=[TAG], request=EventsBody, responses=answers.AgentEventResults)
    def post(self, request: Request) -> Response:
        """Tell what became of leases and of work; each event has its own answer."""
        now = clock.database_now()
        node = self.node(request, now=now)
        events = self.read(request, EventsBody)["events"]
        results = [_tell(node, event, now) for event in events[:EVENTS_MAX]]
        return Response(
            answers.AgentEventResults(results=results + [TOO_MANY] * (len(events) - len(results)))
        )


class Logs(AgentView):
    @extend_schema(tags=[TAG], request=LogBody, responses=answers.AgentLogExpected)
    def post(self, request: Request) -> Response:
        """Hand in a piece of a work's output; the answer says which byte is expected next."""
        now = clock.database_now()
        node = self.node(request, now=now)
        expected = leasing.append_log(node=node, **self.read(request, LogBody), now=now)
        return Response(answers.AgentLogExpected(expected=expected))


def _poll_again(found: list[leases.Assignment]) -> dict[str, float]:
    """The time until the agent asks again: short while something is to begin or to stop, else long."""
    if any(job.lease.state == State.PROVISIONING or _is_in_motion(job.work) for job in found):
        return {"poll_seconds": MOVING_POLL_SECONDS, "poll_seconds_unwoken": MOVING_POLL_SECONDS}
    seldom = float(settings.MARKET_POLL_SECONDS)
    unwoken = min(seldom, UNWOKEN_POLL_SECONDS) if found else seldom
    return {"poll_seconds": seldom, "poll_seconds_unwoken": unwoken}


def _is_in_motion(work: Work | None) -> bool:
    return work is not None and work.state in {Work.State.QUEUED, Work.State.STOPPING}


def _tell(node: Node, said: object, now: datetime) -> answers.EventResult:
    """One event; a refused or malformed one does not keep the others from being heard."""
    shaped = EventBody(data=said)
    if not shaped.is_valid():
        return answers.EventResult(accepted=False, code="invalid")
    event = shaped.validated_data
    token, state, reason = event["token"], event["state"], event["reason"]
    try:
        if "lease" not in event:
            code = event.get("exit_code")
            leasing.report_work(node=node, token=token, state=state, exit_code=code, reason=reason, now=now)
        elif state == "ready":
            leasing.take_up(node=node, lease_id=event["lease"], token=token, now=now)
        else:
            leasing.fail_provisioning(node=node, lease_id=event["lease"], token=token, reason=reason, now=now)
    except Refusal as refusal:
        return answers.EventResult(accepted=False, code=refusal.code)
    return answers.EventResult(accepted=True, code="")


urlpatterns = [
    path("agent/enrol", Enrol.as_view()),
    path("agent/report", Report.as_view()),
    path("agent/heartbeat", HeartbeatView.as_view()),
    path("agent/poll", Poll.as_view()),
    path("agent/events", Events.as_view()),
    path("agent/logs", Logs.as_view()),
]
