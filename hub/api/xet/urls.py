"""Addresses of the Xet wire, below `/xet/` and, after the store's number was raised, `/xet/cas-N/`.

Clients before 1.3 leave `v1/` out.
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from hub.api.xet import views

xorb = views.route(POST=views.post_xorb, HEAD=views.head_xorb)
shard_v1 = views.route(POST=views.post_shard_v1)
reconstruction_v1 = views.route(GET=views.get_reconstruction_v1)
chunk = views.route(GET=views.get_chunk)
telemetry = views.route(POST=views.post_telemetry)

v1: list[URLPattern] = [
    path("xorbs/<str:prefix>/<str:name>", xorb),
    path("shards", shard_v1),
    path("reconstructions/<str:name>", reconstruction_v1),
    path("chunks/<str:prefix>/<str:name>", chunk),
    path("telemetry", telemetry),
]
calls: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    path("v2/shards", views.route(POST=views.post_shard_v2)),
    path("v2/reconstructions/<str:name>", views.route(GET=views.get_reconstruction_v2)),
    path("", include(v1)),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("data/<str:name>", views.route(GET=views.get_data)),
    re_path(r"^cas-[0-9]{1,9}/", include(calls)),
    path("", include(calls)),
    re_path(r"^", views.route()),
]
