"""Accelerators in real use, with what tells one of them from another. `manage.py seed_market` lists them.

Reference prices are where a book without trades begins its price band, in micro-credits per GPU-hour; they
follow the order of what such GPUs rent for, and an operator sets them as the market goes.
"""

from __future__ import annotations

from dataclasses import dataclass

CREDIT_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One kind of GPU (or NPU, DCU, …) as it is sold; or a part of a CPU: `cpu2` has two cores.

    `fragments`: what a device's own name holds, in lower case; each group is a way to say it, and all words
    of a group must be there.
    """

    vendor: str
    gpu: str
    form: str
    memory_gb: int
    interconnect: str
    lot: int
    price_micros: int
    fragments: tuple[tuple[str, ...], ...]

    @property
    def slug(self) -> str:
        return f"{self.gpu}-{self.form}-{self.memory_gb}g"


def _credits(text: str) -> int:
    whole, _, cents = text.partition(".")
    return int(whole) * CREDIT_MICROS + int(cents.ljust(2, "0") or 0) * CREDIT_MICROS // 100


def _row(line: str) -> Accelerator:
    vendor, gpu, form, memory, interconnect, lot, price, names = line.split(maxsplit=7)
    fragments = tuple(tuple(name.split("+")) for name in names.split("|"))
    return Accelerator(vendor, gpu, form, int(memory), interconnect, int(lot), _credits(price), fragments)


# vendor, gpu, form, GB, interconnect, lot, credits an hour, how the device names itself (+ and, | or)
ACCELERATORS = tuple(
    _row(line)
    for line in """
nvidia       b200       sxm   180  ib      1  34.00  b200
nvidia       h200       sxm   141  ib      1  24.00  h200
nvidia       h100       sxm   80   ib      1  18.00  h100+hbm3|h100+sxm
nvidia       h100       pcie  80   eth     1  14.00  h100+pcie
nvidia       h800       sxm   80   ib      1  16.00  h800
nvidia       h20        sxm   96   ib      1  9.00   h20
nvidia       a100       sxm   80   ib      1  10.00  a100-sxm4-80gb|a100+80gb+sxm
nvidia       a100       pcie  80   eth     1  8.50   a100+80gb+pcie
nvidia       a100       pcie  40   eth     1  6.00   a100-pcie-40gb|a100+40gb+pcie
nvidia       a800       sxm   80   ib      1  9.50   a800
nvidia       l40s       pcie  48   eth     1  5.50   l40s
nvidia       l20        pcie  48   eth     1  4.20   l20
nvidia       a10        pcie  24   eth     1  2.80   a10
nvidia       v100       sxm   32   eth     1  2.40   v100
nvidia       t4         pcie  16   eth     1  1.20   t4
nvidia       rtx5090    pcie  32   eth     1  3.60   5090
nvidia       rtx4090    pcie  24   eth     1  2.20   4090
nvidia       rtx3090    pcie  24   eth     1  1.30   3090
amd          mi300x     oam   192  rdma    1  15.00  mi300x
amd          mi250x     oam   128  rdma    1  8.00   mi250x
intel        gaudi3     oam   128  rdma    1  9.00   gaudi3|hl-325
ascend       910b       oam   64   roce    1  7.50   910b
ascend       910c       oam   128  roce    1  13.00  910c|910_93
ascend       310p       pcie  24   eth     1  1.10   310p
hygon        k100       pcie  64   eth     1  4.80   k100
hygon        z100       pcie  32   eth     1  2.00   z100
enflame      s60        pcie  48   eth     1  3.20   s60
enflame      t20        pcie  32   eth     1  2.10   t20|i20
moorethreads s4000      pcie  48   eth     1  3.00   s4000
cambricon    mlu370     pcie  48   eth     1  2.90   mlu370
cambricon    mlu590     oam   80   rdma    1  5.20   mlu590
kunlun       p800       oam   96   rdma    1  5.60   p800
metax        c500       pcie  64   eth     1  4.40   c500
iluvatar     bi150      pcie  64   eth     1  4.00   bi-v150|bi150
x86          cpu1       x86   2    eth     1  0.12   cpu1-x86-2g
x86          cpu2       x86   4    eth     1  0.24   cpu2-x86-4g
x86          cpu4       x86   16   eth     1  0.60   cpu4-x86-16g
x86          cpu8       x86   32   eth     1  1.20   cpu8-x86-32g
arm          cpu1       arm   2    eth     1  0.12   cpu1-arm-2g
arm          cpu4       arm   16   eth     1  0.60   cpu4-arm-16g
""".strip().splitlines()
)
