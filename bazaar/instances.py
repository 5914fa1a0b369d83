"""Leases that serve or tune a model, in the words of OpenCSG's wire: the hub itself knows no leases."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from compute_market.leases import selectors, services
from compute_market.leases.models import Lease, Work
from compute_market.ledger.errors import TradeScopeMissing
from foundation.clock import database_now
from hub.accounts.principals import Principal
from hub.api.csghub.instances import Instance

LISTED_MAX = 200
# Options and variables by which common programs receive the model that they serve or tune.
SERVE_WORDS = ("--model", "--model-id", "--model-path", "serve")
TUNE_WORDS = ("--model_name_or_path",)
MODEL_VARIABLE = "MODEL_ID"
REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
STATUSES = {
    Work.State.QUEUED: "Deploying",
    Work.State.RUNNING: "Running",
    Work.State.STOPPING: "Stopping",
    Work.State.STOPPED: "Stopped",
    Work.State.EXITED: "Stopped",
    Work.State.FAILED: "RunTimeError",
}


class LeasedInstances:
    """The commands that a user's live leases run, or ran last."""

    def listed(self, actor: Principal, *, tunes: bool) -> list[Instance]:
        """Newest first. A token without the scope `trade` sees no leases."""
        try:
            held = list(selectors.held_leases(actor=actor).live()[:LISTED_MAX])
        except TradeScopeMissing:
            return []
        return [
            found for lease, work in _newest_works(held) if (found := _instance(lease, work, tunes=tunes))
        ]

    def start(self, actor: Principal, number: int) -> None:
        """Run a lease's command again, unless it runs. Raises: what `run_work` raises."""
        lease = selectors.get_held_lease(actor=actor, lease_id=number)
        work = selectors.newest_work(lease)
        if work.state in Work.OPEN:
            return
        services.run_work(
            actor=actor,
            lease_id=number,
            command=work.command,
            environment=work.environment,
            image=work.image,
            runner=work.runner,
            now=database_now(),
        )

    def stop(self, actor: Principal, number: int) -> None:
        """Stop what a lease runs; the lease itself goes on. Raises: what `stop_work` raises."""
        lease = selectors.get_held_lease(actor=actor, lease_id=number)
        if selectors.newest_work(lease).state in Work.OPEN:
            services.stop_work(actor=actor, lease_id=number, now=database_now())


def _newest_works(leases: list[Lease]) -> Iterator[tuple[Lease, Work]]:
    works = {work.lease_id: work for work in Work.objects.filter(lease__in=leases).order_by("pk")}
    for lease in leases:
        if lease.pk in works:
            yield lease, works[lease.pk]


def _instance(lease: Lease, work: Work, *, tunes: bool) -> Instance | None:
    model = model_of(work.command, work.environment, tunes=tunes)
    if model is None:
        return None
    name = f"{lease.gpus} x {lease.product.slug}"
    return Instance(number=lease.pk, name=name, model=model, status=STATUSES[Work.State(work.state)])


def model_of(command: Sequence[str], environment: Mapping[str, str], *, tunes: bool) -> str | None:
    """The repository that a command serves, or tunes, as its words or its variable MODEL_ID say."""
    tuned = _after(command, TUNE_WORDS)
    if tunes:
        return tuned
    if tuned is not None:
        return None
    named = _after(command, SERVE_WORDS) or environment.get(MODEL_VARIABLE, "")
    return named if REPO_ID.fullmatch(named) else None


def _after(command: Sequence[str], options: Sequence[str]) -> str | None:
    """The value of one of the options, as `--model a/b` or `--model=a/b`, if it is a repository's name."""
    for word, following in zip(command, [*command[1:], ""], strict=True):
        option, has_value, value = word.partition("=")
        if option in options and REPO_ID.fullmatch(found := value if has_value else following):
            return found
    return None
