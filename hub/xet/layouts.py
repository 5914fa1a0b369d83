"""The chunk tables of xorbs, loaded when first needed and forgotten when many others were."""

from __future__ import annotations

from collections import OrderedDict

from hub.xet.codec.xorbs import Layout
from hub.xet.errors import UnknownXorb
from hub.xet.models import Xorb

KEPT = 256


class Layouts:
    """Layouts by name of the xorb: at most 256 at a time, about 10 MB."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Layout] = OrderedDict()

    def __getitem__(self, name: str) -> Layout:
        """Raises UnknownXorb."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        xorb = Xorb.objects.filter(pk=name).first()
        if xorb is None:
            raise UnknownXorb(xorb=name)
        if len(self._kept) == KEPT:
            self._kept.popitem(last=False)
        self._kept[name] = layout = xorb.layout
        return layout
