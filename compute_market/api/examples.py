"""Example answers of the calls, shown in the API's description, which also takes its shapes from them.

A test compares their fields with those of real answers.
"""

from __future__ import annotations

from typing import Any

PRODUCT_SLUG = "h100-sxm-80g.cn-east.reserved.ib"
NOON, NEXT_NOON = "2026-07-01T12:00:00Z", "2026-07-02T12:00:00Z"

PRODUCT = {
    "product": PRODUCT_SLUG,
    "vendor": "nvidia",
    "gpu": "h100",
    "form": "sxm",
    "memory_gb": 80,
    "region": "cn-east",
    "tier": "reserved",
    "interconnect": "ib",
    "lot": 1,
    "tick_micros": 60_000,
    "band_bps": 9000,
    "horizon_days": 90,
    "gpus_max": 1024,
    "state": "open",
    "maker_fee_bps": 5,
    "taker_fee_bps": 10,
    "cancel_free_hours": 0,
    "cancel_fee_bps": 10,
}
TICKERS = {
    "product": PRODUCT_SLUG,
    "state": "open",
    "memory_gb": 80,
    "last_micros": 12_000_000,
    "day_change_bps": 150,
    "best_bid_micros": 11_940_000,
    "best_ask_micros": 12_060_000,
    "offered_gpus": 24,
}
TICKER = {
    "product": PRODUCT_SLUG,
    "last_micros": 12_000_000,
    "day_open_micros": 11_820_000,
    "day_high_micros": 12_060_000,
    "day_low_micros": 11_760_000,
    "day_gpu_minutes": 23_040,
    "day_trades": 9,
    "best_bid_micros": 11_940_000,
    "best_ask_micros": 12_060_000,
    "index_micros": 12_000_000,
    "band_low_micros": 1_200_000,
    "band_high_micros": 22_800_000,
    "is_halted": False,
}
SUPPLIER = {
    "provider": "gpu-east",
    "hardware": "measured",
    "is_demo": False,
    "bond_micros": 5_000_000_000,
    "leases_30d": 240,
    "broken_leases_30d": 1,
    "sold_minutes_30d": 345_600,
    "delivered_minutes_30d": 345_210,
}
OFFER = {
    "product": PRODUCT_SLUG,
    "price_micros_per_gpu_hour": 12_060_000,
    "gpus": 16,
    "orders": 2,
    "start": NOON,
    "end": NEXT_NOON,
    "suppliers": [SUPPLIER],
}
TRADE = {
    "id": 17,
    "sequence": 4711,
    "at": NOON,
    "price_micros_per_gpu_hour": 12_000_000,
    "gpus": 8,
    "start": NOON,
    "end": NEXT_NOON,
    "taker_side": "buy",
}
CANDLE = {
    "start": NOON,
    "open_micros": 11_820_000,
    "high_micros": 12_060_000,
    "low_micros": 11_760_000,
    "close_micros": 12_000_000,
    "gpu_minutes": 23_040,
    "trades": 9,
}
QUOTE = {
    "product": PRODUCT_SLUG,
    "gpus": 8,
    "start": NOON,
    "end": NEXT_NOON,
    "same_node": True,
    "limit_micros_per_gpu_hour": 12_060_000,
    "notional_micros": 2_315_520_000,
    "fee_micros": 2_315_520,
    "total_micros": 2_317_835_520,
    "suppliers": [SUPPLIER],
}
ORDER = {
    "id": 42,
    "client_order_id": "train-42",
    "account": "ada",
    "product": PRODUCT_SLUG,
    "side": "buy",
    "type": "limit",
    "gpus": 8,
    "filled_gpus": 2.0,
    "open_gpus": 6.0,
    "filled_gpu_minutes": 2880,
    "open_gpu_minutes": 8640,
    "cancelled_gpu_minutes": 0,
    "start": NOON,
    "end": NEXT_NOON,
    "limit_price": 12_000_000,
    "time_in_force": "gtc",
    "expires_at": NOON,
    "post_only": False,
    "self_trade": "cancel_newest",
    "node": None,
    "lease": None,
    "same_node": True,
    "extends": None,
    "client_note": "nightly run",
    "state": "partially_filled",
    "reason": "",
    "version": 2,
    "hold_micros": 1_729_728_000,
    "fee_micros": 1_728_000,
    "worst_case_total_micros": 1_729_728_000,
    "placed_at": NOON,
    "changed_at": NOON,
}
FILLED = {
    "average_price_micros_per_gpu_hour": 12_000_000,
    "filled_notional_micros": 2_304_000_000,
    "filled_fee_micros": 2_304_000,
    "filled_total_micros": 2_306_304_000,
}
LEASE = {
    "id": 17,
    "product": PRODUCT_SLUG,
    "node": "rack-1",
    "provider": "gpu-east",
    "hardware": "measured",
    "gpus": 8,
    "start": NOON,
    "end": NEXT_NOON,
    "agreed_end": NEXT_NOON,
    "price_micros_per_gpu_hour": 12_000_000,
    "notional_micros": 2_304_000_000,
    "used_micros": 96_000_000,
    "refunded_micros": 0,
    "fee_refunded_micros": 0,
    "credited_micros": 0,
    "cancel_fee_micros": 0,
    "delivered_minutes": 60,
    "state": "active",
    "reason": "",
    "order": 42,
    "preempt_at": None,
    "holder": "ada",
    "extends": None,
    "opened_at": NOON,
    "settled_at": None,
    "work": {"state": "running", "exit_code": None, "reason": ""},
}
WORK = {
    "command": ["python", "train.py"],
    "image": "pytorch:2.9",
    "runner": "podman",
    "state": "running",
    "exit_code": None,
    "reason": "",
    "log_bytes": 4096,
    "requested_at": NOON,
    "serves": [{"port": 8888, "name": "notebook"}],
}
PORT = {
    "port": 8888,
    "socket": None,
    "name": "notebook",
    "url": "https://17--notebook.leases.example.org",
    "path": "/leases/17/ports/8888",
}
BALANCE = {
    "kind": "main",
    "balance_micros": 10_000_000_000,
    "held_micros": 1_729_728_000,
    "available_micros": 8_270_272_000,
}
TRANSFER = {"id": 5, "kind": "deposit", "amount_micros": 10_000_000_000, "cause": "deposit/p-1", "at": NOON}
LINE = {
    "id": 5,
    "at": NOON,
    "kind": "escrow",
    "amount_micros": -2_304_000_000,
    "cause": "trade/1/1954",
    "order": 42,
    "lease": 17,
    "text": "lease paid in, lease 17, order 42",
}
FILL = {
    "id": 9,
    "at": NOON,
    "order": 42,
    "client_order_id": "train-42",
    "product": PRODUCT_SLUG,
    "side": "buy",
    "liquidity": "taker",
    "price_micros_per_gpu_hour": 12_000_000,
    "gpus": 8,
    "start": NOON,
    "end": NEXT_NOON,
    "notional_micros": 2_304_000_000,
    "fee_micros": 2_304_000,
    "total_micros": 2_306_304_000,
    "lease": 17,
}
AMENDED = {
    **ORDER,
    "suppliers": [SUPPLIER],
    **FILLED,
    "fills": [FILL],
    "fills_url": "/api/market/v1/fills?order=42",
    "amendment": {"limit_price": 12_060_000, "gpus": 8, "state": "refused", "reason": "would_trade"},
}
NODE = {
    "id": 3,
    "name": "rack-1",
    "provider": "gpu-east",
    "product": PRODUCT_SLUG,
    "gpus": 8,
    "state": "ready",
    "reason": "",
    "is_stale": False,
    "lacks_bond": False,
    "last_heartbeat_at": NOON,
    "runners": ["podman"],
    "hardware": "nvml",
}
REFUSAL = {"type": "urn:bazaar:problem:insufficient_funds", "status": 422, "code": "insufficient_funds"}
EVENT = {"state": "active", "reason": "", "at": NOON}
CURSOR = "YzQy"

# Operation → what it answers when all is well.
ANSWERS: dict[str, Any] = {
    "products": {"items": [PRODUCT]},
    "product": PRODUCT,
    "tickers": {"items": [TICKERS]},
    "ticker": TICKER,
    "offers": {"items": [OFFER]},
    "trades": {"items": [TRADE], "next": CURSOR},
    "candles": {"items": [CANDLE]},
    "quote": {"items": [QUOTE]},
    "orders": {"items": [ORDER], "next": CURSOR},
    "place_order": ORDER,
    "place_orders": {"results": [{"order": ORDER, "error": REFUSAL}]},
    "order": AMENDED,
    "amend_order": AMENDED,
    "cancel_order": ORDER,
    "cancel_all": {"cancelling": 3},
    "cancel_after": {"cancel_at": NOON},
    "fills": {"items": [FILL], "next": CURSOR},
    "leases": {"items": [LEASE], "next": CURSOR},
    "lease": {
        **LEASE,
        "supplier": SUPPLIER,
        "cancel": {"free_until": NOON, "fee_micros": 2_304_000},
    },
    "lease_events": {"items": [EVENT]},
    "run_work": WORK,
    "stop_work": WORK,
    "lease_logs": {"work": WORK, "text": "epoch 1 …\n", "next": 4096},
    "lease_ports": {
        "ports": [PORT],
        "ssh": {"host": "hub.example.org", "port": 2222, "user": "17", "host_keys": ["ssh-ed25519 AAAA…"]},
        "traffic": {"bytes_in": 2048, "bytes_out": 1_048_576, "streams": 12},
        "until": NOON,
    },
    "lease_port": {**PORT, "until": NOON},
    "link_port": {"url": f"{PORT['url']}/?bazaar-grant=eyJ…"},
    "end_lease": LEASE,
    "give_notice": LEASE,
    "reclaim": {"id": 17, "state": "reclaimed", "reason": "abuse"},
    "sell_back": {**ORDER, "side": "sell", "lease": 17},
    "balance": {"items": [BALANCE]},
    "statement": {"items": [LINE], "next": 4},
    "register_provider": {"provider": 2, "allows_processes": False, "relists_cancelled": False},
    "nodes": {"items": [NODE]},
    "enrolment_key": {"key": "mbe_…", "name": "rack-1"},
    "node": NODE,
    "retire_node": NODE,
    "halt": {"halted": 1},
    "resume": {"resumed": 1},
    **{
        f"market_v1_{name}_create": TRANSFER for name in ("deposits", "withdrawals", "bonds", "bonds_release")
    },
}
EITHER = {"order", "error"}  # of a result in a bulk: the one or the other


def describe(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """A hook of the description: every answer of the market gets its example, and its shape from that."""
    for path in result["paths"].values():
        for operation in path.values():
            answer = ANSWERS.get(operation["operationId"]) if isinstance(operation, dict) else None
            for status, response in operation["responses"].items() if answer is not None else ():
                if status.startswith("2"):
                    for content in response.get("content", {}).values():
                        content["schema"] = shape_of(answer)
                        content["examples"] = {operation["operationId"]: {"value": answer}}
    return result


def shape_of(value: Any) -> dict[str, Any]:
    """The JSON schema of values like this one; what may be null is open."""
    match value:
        case dict():
            required = [name for name in value if name not in EITHER]
            shape = {"type": "object", "properties": {name: shape_of(each) for name, each in value.items()}}
            return {**shape, "required": required} if required else shape
        case list():
            return {"type": "array", "items": shape_of(value[0])}
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            is_moment = value.endswith("Z") and value[:4].isdecimal()
            return {"type": "string", **({"format": "date-time"} if is_moment else {})}
        case _:
            return {"nullable": True}
