"""Amounts of money as people write them. The market counts in whole micro-credits."""

MICROS_PER_CREDIT = 1_000_000


def credits_of(micros: int) -> str:
    """An amount in credits, exact, with two decimals at least: 1250000 → 1.25, -60 → -0.00006."""
    sign, whole = ("-", -micros) if micros < 0 else ("", micros)
    units, rest = divmod(whole, MICROS_PER_CREDIT)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{units:,}.{decimals}"
