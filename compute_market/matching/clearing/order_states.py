"""Orders while a batch is settled: their columns, read in one statement, changed in memory, written back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from datetime import datetime

from compute_market import quantities
from compute_market.ledger import postings as ledger
from compute_market.ledger.models import Reservation
from compute_market.matching import holds
from compute_market.matching.models import Order
from foundation.database import bulk_sql
from foundation.database.cursors import prepared_cursor


@dataclass(slots=True, eq=False)
class OrderState:
    """The columns of an order that a settlement reads or changes; of thousands, model objects cost more.

    `hold` is the reservation that the order holds now, and `filled_before` what was filled before the batch.
    """

    pk: int
    account_id: int
    client_order_id: str
    product_id: int
    side: int
    price_micros_per_gpu_hour: int
    gpus: int
    lease_id: int | None
    maker_fee_bps: int
    taker_fee_bps: int
    reservation_id: int | None
    state: str
    reason: str
    total_gpu_minutes: int
    filled_gpu_minutes: int
    open_gpu_minutes: int
    cancelled_gpu_minutes: int
    version: int
    filled_before: int = field(init=False)
    hold: Reservation | ledger.ReservationRow | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.filled_before = self.filled_gpu_minutes

    @property
    def hold_micros(self) -> int:
        """The amount that the open rest of a buy must hold."""
        return quantities.hold_micros(
            gpu_minutes=self.open_gpu_minutes,
            price_micros_per_gpu_hour=self.price_micros_per_gpu_hour,
            fee_bps=max(self.maker_fee_bps, self.taker_fee_bps),
        )

    @property
    def cause(self) -> str:
        """The cause of its holds."""
        return holds.cause_of(account_id=self.account_id, client_order_id=self.client_order_id)

    def fill(self, gpu_minutes: int) -> None:
        """Count GPU-minutes of a trade."""
        self.filled_gpu_minutes += gpu_minutes
        self.open_gpu_minutes -= gpu_minutes
        self.version += 1
        self.state = PARTIALLY_FILLED if self.open_gpu_minutes else FILLED

    def end(self, state: str, reason: str) -> None:
        """Cancel what is open, for a reason."""
        self.cancelled_gpu_minutes += self.open_gpu_minutes
        self.open_gpu_minutes = 0
        self.state = state
        self.reason = reason


PARTIALLY_FILLED, FILLED = Order.State.PARTIALLY_FILLED.value, Order.State.FILLED.value
READ = tuple(each.name for each in fields(OrderState) if each.init)
WRITTEN = (
    "price_micros_per_gpu_hour", "gpus", "state", "total_gpu_minutes", "filled_gpu_minutes",
    "open_gpu_minutes", "cancelled_gpu_minutes", "version", "reservation_id", "reason",
)  # fmt: skip


def load(pks: Collection[int]) -> dict[int, OrderState]:
    """Orders by primary key, as they stand."""
    columns, table = bulk_sql.columns_sql(Order, READ), bulk_sql.table_of(Order)
    with prepared_cursor() as cursor:
        sql = f"SELECT {columns} FROM {table} WHERE id IN ({bulk_sql.listed_sql()})"  # noqa: S608
        cursor.execute(sql, [bulk_sql.as_list(pks)])
        return {order.pk: order for order in (OrderState(*row) for row in cursor.fetchall())}


def write(orders: Collection[OrderState], *, now: datetime) -> None:
    """Write the columns that a batch may have changed."""
    for order in orders:
        if order.hold is not None:
            order.reservation_id = order.hold.pk
    bulk_sql.update_objects(Order, WRITTEN, orders, same={"changed_at": now})
