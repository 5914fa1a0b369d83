"""OpenCSG's mount: the Hugging Face wire, but for what OpenCSG's client needs otherwise."""

from django.urls import path

from hub.api.csghub.gate import gate_first
from hub.api.hf import info
from hub.api.hf.http import route

MOUNT = "csg"
urlpatterns = [
    path(pattern, route(GET=gate_first(info.info)))
    for pattern in (info.ADDRESS_PATTERN, info.REVISION_PATTERN)
]
