"""Bundles: what a real hub answered for some repositories, kept in a folder that a fixture loads.

A bundle is `bundle.json` and the folder `files`, whose members are named by their SHA-256. Large
files are kept as stand-ins; their entry tells the true size and hash. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

FORMAT = 1
MAX_BYTES = 1024 * 1024
# Answers that are another one a little later.
BUSY = frozenset({429, 502, 503, 504})
TRIES, WAIT_SECONDS, WAIT_SECONDS_MAX = 6, 5.0, 300.0
PLURALS = {"datasets": "dataset", "spaces": "space", "models": "model"}


class CannotRecord(RuntimeError):
    """The hub or the bundle is not what it should be; the message says why."""


def parse_name(text: str) -> tuple[str, str]:
    """`owner/name` or `datasets/owner/name` → (kind, id). Raises: CannotRecord."""
    parts = text.strip("/").split("/")
    kind = PLURALS[parts.pop(0)] if len(parts) == 3 and parts[0] in PLURALS else "model"
    if len(parts) != 2:
        raise CannotRecord(f"“{text}” is not OWNER/NAME or datasets/OWNER/NAME.")
    return kind, "/".join(parts)


@dataclass(frozen=True)
class Upstream:
    """A hub that speaks the Hugging Face wire. `wait` sleeps where the hub asks for patience."""

    url: str
    token: str = ""
    wait: Callable[[float], None] = time.sleep

    def read(self, url: str) -> tuple[bytes, Any]:
        """The body and headers. Raises: CannotRecord."""
        address = urljoin(self.url, url)
        if not address.startswith(("http://", "https://")):
            raise CannotRecord(f"{address} is not an address of the web.")
        request = urllib.request.Request(address, headers={"User-Agent": "bazaar-record"})  # noqa: S310 - see above
        if self.token:
            # Not sent on to where files are redirected.
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        for tries_left in reversed(range(TRIES)):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the operator's own hub
                    return answer.read(), answer.headers
            except urllib.error.HTTPError as error:
                with error:
                    words = error.headers.get("X-Error-Message") or error.reason
                    if error.code not in BUSY or not tries_left:
                        raise CannotRecord(f"{url} was answered with {error.code}: {words}") from None
                    self.wait(_patience(error.headers.get("Retry-After")))
            except (OSError, ValueError) as error:
                raise CannotRecord(f"{url}: {error}") from None
        raise AssertionError("unreachable")

    def read_json(self, url: str) -> tuple[Any, Any]:
        """The value and headers. Raises: CannotRecord."""
        body, headers = self.read(url)
        try:
            return json.loads(body), headers
        except ValueError:
            raise CannotRecord(f"{url} is no JSON: is {self.url} a hub?") from None

    def files(self, base: str, revision: str) -> Iterator[dict[str, Any]]:
        """All files of a tree, page by page."""
        url: str | None = f"/api/{base}/tree/{quote(revision, safe='')}?recursive=true"
        while url:
            entries, headers = self.read_json(url)
            yield from (entry for entry in entries if entry["type"] == "file")
            url = _next(headers.get("Link", ""))


def record(
    upstream: Upstream, names: list[str], folder: Path, *, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """Read the repositories and write the bundle; gives its index. Raises: CannotRecord."""
    content = folder / "files"
    content.mkdir(parents=True, exist_ok=True)
    found = []
    for name in names:
        kind, repo_id = parse_name(name)
        base = f"{kind}s/{repo_id}"
        info, _ = upstream.read_json(f"/api/{base}")
        at = f"{'' if kind == 'model' else kind + 's/'}{repo_id}"
        files = []
        for entry in upstream.files(base, info["sha"]):
            path, size = entry["path"], int(entry["size"])
            is_kept = size <= max_bytes
            if is_kept:
                data = upstream.read(f"/{at}/resolve/{info['sha']}/{quote(path)}")[0]
            else:
                data = stand_in(path, size, (entry.get("lfs") or {}).get("oid", entry.get("oid", "")))
            digest = hashlib.sha256(data).hexdigest()
            (content / digest).write_bytes(data)
            files.append({"path": path, "content": digest, "is_stand_in": not is_kept, "upstream": entry})
        found.append({"kind": kind, "id": repo_id, "info": info, "files": files})
    index = {"format": FORMAT, "upstream": upstream.url, "repositories": found}
    text = json.dumps(index, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "bundle.json").write_text(text + "\n", encoding="utf-8")
    return index


def stand_in(path: str, size: int, oid: str) -> bytes:
    """Bytes in place of a large file; a `.safetensors` is one, without tensors."""
    facts = {"stands_in_for": path, "size": str(size), "oid": oid}
    if path.endswith(".safetensors"):
        header = json.dumps({"__metadata__": facts}).encode()
        return struct.pack("<Q", len(header)) + header
    return json.dumps(facts).encode()


def load(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, bytes]]]:
    """(repository, path → content), one by one. Raises: CannotRecord."""
    try:
        index = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotRecord(f"{folder} is no bundle: {error}") from None
    if index.get("format") != FORMAT:
        raise CannotRecord(f"{folder} is a bundle of format {index.get('format')}, not {FORMAT}.")
    for repository in index["repositories"]:
        files = {
            file["path"]: (folder / "files" / file["content"]).read_bytes() for file in repository["files"]
        }
        yield repository, files


def _patience(retry_after: str | None) -> float:
    """Seconds to wait: what the hub asks for, within reason."""
    try:
        return min(WAIT_SECONDS_MAX, max(0.0, float(retry_after or "")))
    except ValueError:
        return WAIT_SECONDS


def _next(link: str) -> str | None:
    for part in link.split(","):
        address, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return address.strip().strip("<>")
    return None
