"""The one form of this API's refusals: problem details (RFC 9457)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from compute_market.api.answers import fields
from compute_market.problems import Problem
from foundation.answers import Answer, shown

Credits = Annotated[str, shown("12.00", "Credits.")]


class MarketProblem(Problem, Answer, kw_only=True):
    """Problem details (RFC 9457). Optional fields say to programs what `detail` says to people."""

    field: Annotated[str, shown("limit_price", "The field of the body that is wrong.")] | UnsetType = UNSET
    namespace_id: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    product: fields.Product | UnsetType = UNSET
    client_order_id: fields.ClientOrderId | UnsetType = UNSET
    cap_micros: fields.Micros | UnsetType = UNSET
    left_micros: fields.Micros | UnsetType = UNSET
    available_micros: fields.Micros | UnsetType = UNSET
    needed_micros: fields.Micros | UnsetType = UNSET
    cap: Credits | UnsetType = UNSET
    left: Credits | UnsetType = UNSET
    available: Credits | UnsetType = UNSET
    needed: Credits | UnsetType = UNSET
    amount_max_micros: fields.Micros | UnsetType = UNSET
    limit: Annotated[int, shown(1000, "The limit that is reached.")] | UnsetType = UNSET
    retry_after_s: Annotated[int, shown(1, "Seconds to wait.")] | UnsetType = UNSET
    state: Annotated[str, shown("filled")] | UnsetType = UNSET
    version: Annotated[int, shown(2)] | UnsetType = UNSET
    scope: Annotated[str, shown("trade", "The scope that the token lacks.")] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    namespace: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    node: str | UnsetType = UNSET
    nodes_max: int | UnsetType = UNSET
    gpus: int | UnsetType = UNSET
    free: int | UnsetType = UNSET
    minutes: int | UnsetType = UNSET
    orders: str | UnsetType = UNSET
    port: str | UnsetType = UNSET
    runner: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    last_nonce: int | UnsetType = UNSET
    now: str | UnsetType = UNSET
    missing: list[int] | UnsetType = UNSET
    reservation_id: int | UnsetType = UNSET
    errors: (
        Annotated[dict[str, Any], Meta(description="With the code `invalid`: what is wrong, by field.")]
        | UnsetType
    ) = UNSET
