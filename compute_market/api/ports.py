"""The way into leases: what a lease serves, links to it, raw streams, and the connections of agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import path
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api import problems
from compute_market.api.agent import AgentView
from compute_market.api.answers import leases as answers
from compute_market.api.base import MarketView, StrictInteger, moment
from compute_market.leases import access, serving
from compute_market.leases.errors import TunnelsUnavailable
from compute_market.ledger import policies
from compute_market.tunnels.handover import Handover, TunnelsAway, give_away
from foundation import addresses, clock

TAG = "leases"
UPGRADE = "bazaar-tcp/1"
AGENT_UPGRADE = "bazaar-work/1"
WAKE_UPGRADE = "bazaar-wake/1"


class LinkBody(serializers.Serializer[Any]):
    hours = StrictInteger(min_value=1, max_value=access.LINK_HOURS_MAX, required=False, default=1)


def _ssh(host: str | None, lease_id: int) -> answers.SshAnswer | None:
    """The data of a login to a lease by ssh, with the host's keys for clients that check them; None without
    ssh.
    """
    if not settings.MARKET_SSH_PORT:
        return None
    key = Path(settings.DATA_DIR) / "ssh" / "host_ed25519.pub"
    known = [" ".join(key.read_text().split()[:2])] if key.exists() else []
    return answers.SshAnswer(host=host, port=settings.MARKET_SSH_PORT, user=str(lease_id), host_keys=known)


class Ports(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(tags=[TAG], operation_id="lease_ports", responses={200: answers.PortsAnswer})
    def get(self, request: Request, lease_id: int) -> Response:
        """The ports that run in the lease, their addresses, and how to log in by ssh."""
        work, until = access.running_work(actor=self.actor, lease_id=lease_id, now=self.now())
        return Response(
            answers.PortsAnswer(
                ports=[answers.PortAnswer.of(lease_id, entry) for entry in work.serves],
                ssh=_ssh(addresses.host_name_of(request), lease_id),
                traffic=answers.TrafficAnswer.of(lease_id),
                until=moment(until),
            )
        )


class OnePort(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(tags=[TAG], operation_id="lease_port", responses={200: answers.OpenPort})
    def get(self, request: Request, lease_id: int, port: str) -> Response:
        """The address of this port, if the caller may reach it."""
        way = access.way_to(actor=self.actor, lease_id=lease_id, port=port, now=self.now())
        entry = next(entry for entry in way.work.serves if serving.find([entry], port))
        served = answers.PortAnswer.of(lease_id, entry)
        return Response(served.widened(answers.OpenPort, until=moment(way.until)))


class Link(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=[TAG], operation_id="link_port", request=LinkBody, responses={201: answers.LinkAnswer}
    )
    def post(self, request: Request, lease_id: int, port: str) -> Response:
        """A link that lets everybody who has it reach the port for some hours, never beyond the
        lease's end.
        """
        now = self.now()
        way = access.way_to(actor=self.actor, lease_id=lease_id, port=port, now=now)
        hours = self.read(request.data, LinkBody)["hours"]
        word = access.grant_for(way, now=now, hours=hours)
        base = access.address_of(lease_id, port)
        if not base:
            base = addresses.absolute(request, access.path_of(lease_id, port))
        return Response(answers.LinkAnswer(url=f"{base}/?bazaar-grant={word}"), status=201)


class Pipe(MarketView):
    right = staticmethod(policies.require_market_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="pipe_port",
        responses={101: OpenApiResponse(description="Bytes both ways.")},
    )
    def get(self, request: Request, lease_id: int, port: str) -> Response:
        """A raw connection to a port: `Upgrade: bazaar-tcp/1`, then bytes both ways."""
        way = access.way_to(actor=self.actor, lease_id=lease_id, port=port, now=self.now())
        if request.headers.get("Upgrade", "").lower() != UPGRADE:
            return _upgrade_needed(UPGRADE)
        return _give(request, Handover(kind="pipe", lease=way.lease.pk, port=port))


class AgentTunnel(AgentView):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """An agent's spare connection. Its ticket is proved where it is going to wait."""
        if request.headers.get("Upgrade", "").lower() != AGENT_UPGRADE:
            return _upgrade_needed(AGENT_UPGRADE)
        return _give(request, Handover(kind="agent"))


class AgentWakeups(AgentView):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """A node's connection on which its agent hears that it should ask what to run."""
        node = self.node(request, now=clock.database_now())
        if request.headers.get("Upgrade", "").lower() != WAKE_UPGRADE:
            return _upgrade_needed(WAKE_UPGRADE)
        return _give(request, Handover(kind="node", node=node.pk))


def _give(request: Request, handover: Handover) -> Response:
    """Raises: TunnelsUnavailable."""
    try:
        give_away(
            request.environ,  # type: ignore[attr-defined]
            handover,
            path=access.socket_path(),
            key=access.signing_key(),
        )
    except TunnelsAway:
        raise TunnelsUnavailable from None
    return Response()


def _upgrade_needed(protocol: str) -> Response:
    answer = problems.problem(426, code="upgrade_needed", detail=f"Ask with “Upgrade: {protocol}”.")
    answer["Upgrade"] = protocol
    return answer


urlpatterns = [
    path("agent/tunnel", AgentTunnel.as_view()),
    path("agent/wakeups", AgentWakeups.as_view()),
    path("leases/<row_id:lease_id>/ports", Ports.as_view()),
    path("leases/<row_id:lease_id>/ports/<slug:port>", OnePort.as_view()),
    path("leases/<row_id:lease_id>/ports/<slug:port>/links", Link.as_view()),
    path("leases/<row_id:lease_id>/ports/<slug:port>/pipe", Pipe.as_view()),
]
