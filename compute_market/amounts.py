"""Amounts of money as people write them. Everything else counts in whole micro-credits."""

MICROS_PER_CREDIT = 1_000_000


def credits_of(micros: int) -> str:
    """An amount in credits, exact, with two decimals at least: 1250000 → 1.25, -60 → -0.00006."""
    sign, whole = ("-", -micros) if micros < 0 else ("", micros)
    units, rest = divmod(whole, MICROS_PER_CREDIT)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{units:,}.{decimals}"


def rounded(micros: int) -> str:
    """An amount in credits with two decimals, half up: 1255000 → 1.26; below half a cent: <0.01."""
    cents = (abs(micros) + 5_000) // 10_000
    if micros and not cents:
        return "<0.01" if micros > 0 else ">-0.01"
    sign = "-" if micros < 0 else ""
    return f"{sign}{cents // 100:,}.{cents % 100:02d}"
