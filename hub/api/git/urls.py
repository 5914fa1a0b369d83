"""git and git-lfs: `/{id}.git/…`, `/datasets/{id}.git/…` and so on, with or without `.git`."""

from django.urls import URLPattern, URLResolver, include, path, register_converter

from foundation import hex_digits
from hub import converters  # noqa: F401 - registers the converters
from hub.api.git import lfs, smart
from hub.api.git.errors import render_json, render_text
from hub.api.git.http import route, signed_route
from hub.repos.models import Kind

# The plurals of every dialect; models also stand at the root.
PREFIXES = {
    "datasets/": Kind.DATASET,
    "spaces/": Kind.SPACE,
    "kernels/": Kind.KERNEL,
    "models/": Kind.MODEL,
    "codes/": Kind.CODE,
    "mcpservers/": Kind.MCP,
    "mcps/": Kind.MCP,
    "skills/": Kind.SKILL,
    "": Kind.MODEL,
}


class Oid:
    """The sha256 of a large object."""

    regex = hex_digits.pattern(64)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Oid, "oid")

_of_a_repository = [
    path("info/refs", route(render_text, GET=smart.info_refs)),
    path("git-upload-pack", route(render_text, POST=smart.upload_pack)),
    path("git-receive-pack", route(render_text, POST=smart.receive_pack)),
    path("info/lfs/objects/batch", route(render_json, POST=lfs.batch)),
    path("info/lfs/locks", route(render_json, GET=lfs.locks, POST=lfs.locks)),
    path("info/lfs/locks/<rest:rest>", route(render_json, POST=lfs.locks)),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("lfs/objects/<oid:oid>", signed_route(render_json, GET=lfs.fetch, PUT=lfs.receive)),
    path("lfs/objects/<oid:oid>/parts/<row_id:number>", signed_route(render_json, PUT=lfs.receive_part)),
    path("lfs/objects/<oid:oid>/complete", signed_route(render_json, POST=lfs.complete)),
    path("lfs/objects/<oid:oid>/verify", signed_route(render_json, POST=lfs.verify)),
    *(
        path(f"{prefix}<repo_id:repo_id>/", include(_of_a_repository), {"kind": kind})
        for prefix, kind in PREFIXES.items()
    ),
    # An id without a namespace is answered like that of a missing repository.
    path("<name:repo_id>/", include(_of_a_repository), {"kind": Kind.MODEL}),
]
