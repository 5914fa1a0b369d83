"""Looks into a live server's Xet store. Called at the far end (`LiveBazaar.remote`)."""

from __future__ import annotations

from django.db.models import Sum

from hub import blobstore
from hub.lfs import jobs
from hub.xet.models import XetFile, Xorb, xorb_key
from tests.clock import moment


def stored_bytes() -> int:
    """Of all xorbs."""
    return int(Xorb.objects.aggregate(total=Sum("stored_bytes"))["total"] or 0)


def xorbs_of(sha256: str) -> list[str]:
    """Names of the xorbs that a file uses, in order."""
    file = XetFile.objects.get(sha256=sha256)
    return list(dict.fromkeys(file.terms.order_by("start_byte").values_list("xorb_id", flat=True)))


def file_hash(sha256: str) -> str:
    return XetFile.objects.get(sha256=sha256).hash


def convert() -> int:
    """Run the job that cuts whole objects into chunks."""
    return jobs.convert(now=moment())


def damage(name: str) -> None:
    """Flip a byte of a stored xorb behind the hub's back."""
    store = blobstore.get_store()
    data = bytearray(store.read(xorb_key(name)))
    data[len(data) // 2] ^= 1
    store.put_stream(xorb_key(name), [bytes(data)])
