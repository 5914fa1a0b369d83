"""Supply: providers and their nodes; and the operator's switches."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute_market.api.answers import supply as answers
from compute_market.api.base import MarketView, StrictBoolean, StrictInteger
from compute_market.ledger import policies
from compute_market.matching.intake import services as trading
from compute_market.offers import selectors, services
from hub.interface import Principal

TAG = "supply"


class ProviderBody(serializers.Serializer[Any]):
    account = serializers.CharField(required=False, max_length=96)
    allows_processes = StrictBoolean(required=False)
    relists_cancelled = StrictBoolean(
        required=False, help_text="Offer hours again that a holder gives back before they begin."
    )


class NodeBody(serializers.Serializer[Any]):
    account = serializers.CharField(required=False, max_length=96)
    product = serializers.CharField(max_length=80)
    name = serializers.CharField(max_length=80)
    gpus = StrictInteger(min_value=1)


class HaltBody(serializers.Serializer[Any]):
    product = serializers.CharField(required=False, max_length=80, help_text="Left out: the whole market.")


class Providers(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(
        tags=[TAG],
        operation_id="register_provider",
        request=ProviderBody,
        responses={200: answers.ProviderAnswer},
    )
    def post(self, request: Request) -> Response:
        """Let a namespace supply GPUs, and say whether leases may run plain processes on its nodes."""
        namespace_id, body = self.read_for_account(request, ProviderBody, policies.require_spend)
        provider = services.register_provider(actor=self.actor, namespace_id=namespace_id, now=self.now())
        if (allowed := body.get("allows_processes")) is not None:
            provider = services.allow_processes(actor=self.actor, provider=provider, allowed=allowed)
        if (relists := body.get("relists_cancelled")) is not None:
            provider = services.relist_cancelled(actor=self.actor, provider=provider, relists=relists)
        return Response(answers.ProviderAnswer.of(provider))


def _require_provider(actor: Principal, namespace_id: int) -> None:
    """Raises: Unauthenticated, TradeScopeMissing, ProviderNotFound."""
    selectors.get_provider(actor=actor, namespace_id=namespace_id)


class Nodes(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(tags=[TAG], operation_id="nodes", responses={200: answers.NodesAnswer})
    def get(self, request: Request) -> Response:
        """Your nodes and their health."""
        items = [answers.NodeAnswer.of(node) for node in selectors.nodes(actor=self.actor)[:1000]]
        return Response(answers.NodesAnswer(items=items))

    @extend_schema(
        tags=[TAG],
        operation_id="enrolment_key",
        request=NodeBody,
        responses={201: answers.EnrolmentKeyAnswer},
    )
    def post(self, request: Request) -> Response:
        """A one-time key with which the agent (`/market/agent`) enrols a node. It is shown only here."""
        namespace_id, body = self.read_for_account(request, NodeBody, _require_provider)
        provider = selectors.get_provider(actor=self.actor, namespace_id=namespace_id)
        key = services.issue_enrolment_key(
            actor=self.actor,
            provider=provider,
            product=selectors.get_product(body["product"]),
            name=body["name"],
            gpus=body["gpus"],
            now=self.now(),
        )
        return Response(answers.EnrolmentKeyAnswer(key=key, name=body["name"]), status=201)


class OneNode(MarketView):
    right = staticmethod(policies.require_trade_scope)

    @extend_schema(tags=[TAG], operation_id="node", responses={200: answers.NodeAnswer})
    def get(self, request: Request, node_id: int) -> Response:
        return Response(answers.NodeAnswer.of(selectors.get_node(actor=self.actor, node_id=node_id)))

    @extend_schema(tags=[TAG], operation_id="retire_node", request=None, responses={200: answers.NodeAnswer})
    def delete(self, request: Request, node_id: int) -> Response:
        services.retire_node(actor=self.actor, node_id=node_id, now=self.now())
        return Response(answers.NodeAnswer.of(selectors.get_node(actor=self.actor, node_id=node_id)))


class Halt(MarketView):
    right = staticmethod(policies.require_operator)

    @extend_schema(tags=["operators"], operation_id="halt", request=HaltBody, responses={202: answers.Halted})
    def post(self, request: Request) -> Response:
        """Stop trading in a product, or in all of them."""
        body = self.read(request.data, HaltBody)
        halted = trading.halt(actor=self.actor, product=body.get("product"), now=self.now())
        return Response(answers.Halted(halted=len(halted)), status=202)


class Resume(MarketView):
    right = staticmethod(policies.require_operator)

    @extend_schema(
        tags=["operators"], operation_id="resume", request=HaltBody, responses={202: answers.Resumed}
    )
    def post(self, request: Request) -> Response:
        body = self.read(request.data, HaltBody)
        resumed = trading.resume(actor=self.actor, product=body.get("product"), now=self.now())
        return Response(answers.Resumed(resumed=len(resumed)), status=202)


urlpatterns = [
    path("providers", Providers.as_view()),
    path("nodes", Nodes.as_view()),
    path("nodes/<row_id:node_id>", OneNode.as_view()),
    path("halt", Halt.as_view()),
    path("resume", Resume.as_view()),
]
