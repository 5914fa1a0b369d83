"""The memory that a model's weights need, for finding a GPU that holds them."""

from __future__ import annotations

import re

from hub.revisions.models import RepositoryFacts

# Bits of a parameter by dtype, as safetensors names them; of other dtypes it is taken to be 16.
BITS = {"F64": 64, "I64": 64, "F32": 32, "I32": 32, "F8_E4M3": 8, "F8_E5M2": 8, "I8": 8, "U8": 8, "BOOL": 8}
BITS_DEFAULT = 16
STAND_IN = "stand-in"
WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT])", re.ASCII | re.IGNORECASE)
UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def bytes_needed(facts: RepositoryFacts | None) -> int:
    """Bytes of one copy of the weights; 0 where there are none, or their size is not known.

    Counted from the parameters, so two formats of the same weights count once. The files of a stand-in are
    small: its card names the parameters of the original, which count 16 bits each.
    """
    if facts is None:
        return 0
    if STAND_IN in facts.tags:
        written = WRITTEN.match(str((facts.card_data or {}).get("parameters", "")))
        if written is None:
            return 0
        return int(float(written[1]) * UNITS[written[2].upper()]) * BITS_DEFAULT // 8
    counts: dict[str, int] = (facts.safetensors or {}).get("parameters") or {}
    if counts:
        return sum(number * BITS.get(dtype, BITS_DEFAULT) for dtype, number in counts.items()) // 8
    # GGUF: quantized, about a byte for a parameter.
    return facts.parameters_total or 0
