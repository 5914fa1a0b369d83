"""CORS rules, as settings of django-cors-headers: what pages of other origins may read.

transformers.js, huggingface.js, GGUF viewers and wllama run in pages of other origins. They may call the
wires for programs and read public files, and may send an access token. They never bring cookies
(`Access-Control-Allow-Credentials` is not sent), so a signed-in person's session is of no use to them. The
pages for people, the admin and the probes are not included.
"""

from __future__ import annotations

KINDS = "models|datasets|spaces|kernels|codes|mcps|mcpservers|skills"
# Addresses of programs. `/api/docs` is a page.
PROGRAM_PATHS = (
    r"^/(?:api/(?!docs(?:/|$))|v1/|xet/|lfs/|modelscope/|avatars/|(?:hf|csg|ms)/"
    rf"|(?:(?:{KINDS})/)?[^/]+/[^/]+/"
    r"(?:resolve/|raw/|ask-access$|info/refs$|info/lfs/|git-(?:upload|receive)-pack$))"
)
ALLOWED_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "if-range",
    "range",
    "x-request-id",
    "x-xet-session-id",
)
# Response headers that clients read, besides the few that every page may read.
EXPOSED_HEADERS = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Link",
    "Location",
    "Retry-After",
    "X-Error-Code",
    "X-Error-Message",
    "X-Linked-ETag",
    "X-Linked-Size",
    "X-Repo-Commit",
    "X-Request-Id",
    "X-Total-Count",
    "X-Xet-Access-Token",
    "X-Xet-Cas-Url",
    "X-Xet-Hash",
    "X-Xet-Token-Expiration",
)
