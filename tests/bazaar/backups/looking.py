"""Functions that tests of backups call in a restored hub, with JSON values (`tests.servers.remote`)."""

from __future__ import annotations

import hashlib

from compute_market.ledger import checks as ledger
from compute_market.matching.models import Listing, Order
from hub import gitstore
from hub.lfs import selectors
from hub.lfs.models import LfsLink
from hub.repos.models import Repository
from hub.revisions import refs


def commits(full_name: str) -> dict[str, list[str]]:
    """The commits and large objects that the refs of a repository reach; where its row and its ref are."""
    repository = Repository.objects.get(full_name=full_name)
    git = gitstore.open_repository(repository.storage)
    targets = [ref.target for ref in refs.list_all(repository)]
    reached = {commit.oid for target in targets for commit in git.history(target)}
    return {
        "commits": sorted(reached),
        "oids": sorted(git.pointers(targets)),
        "heads": [repository.head_sha, refs.commit_of(repository, "refs/heads/main") or ""],
    }


def whole_oids(full_name: str) -> list[str]:
    """The large objects of a repository whose bytes, read back, have their hash."""
    links = LfsLink.objects.filter(repository__full_name=full_name).select_related("object")
    whole = []
    for link in links:
        digest = hashlib.sha256()
        with selectors.open_object(link.object) as reader:
            while piece := reader.read(1 << 20):
                digest.update(piece)
        whole += [link.object_id] if digest.hexdigest() == link.object_id else []
    return whole


def orders() -> list[str]:
    return list(Order.objects.exclude(client_order_id="").values_list("client_order_id", flat=True))


def market() -> dict[str, object]:
    return {"findings": ledger.audit(), "stopped": Listing.objects.filter(is_stopped=False).count() == 0}
