"""A plain process under its supervisor: started with few rights, ended with all its descendants."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import resource
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from compute_market.runners.base import Ended
from compute_market.runners.descendants import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    Cgroup,
    end_descendants,
    prctl,
    reap,
)
from compute_market.runners.supervisor import CannotStart

END_TIMEOUT_S = 10.0
_FAILED = 127


class ProcessCommand:
    """See the module. `limits` maps names as `RLIMIT_NOFILE` to values."""

    def __init__(
        self,
        *,
        folder: Path,
        words: Sequence[str],
        environment: Mapping[str, str],
        run_as: str,
        limits: Mapping[str, int],
        group_limits: Mapping[str, int],
        group: str,
        processors: Sequence[int] = (),
    ) -> None:
        self.folder = folder
        self.words = list(words)
        self.environment = dict(environment)
        self.run_as = run_as
        self.processors = list(processors)
        self.user: pwd.struct_passwd | None = None
        self.limits = [(getattr(resource, name), value) for name, value in limits.items()]
        self.cgroup = Cgroup.make(group)
        for file, value in group_limits.items():
            if self.cgroup is not None:
                self.cgroup.limit(file, value)
        self.pid = 0
        self.ended: Ended | None = None

    def start(self, output: int) -> None:
        self.user = find_user(self.run_as) if self.run_as else None
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        parent = os.getpid()
        failed_reader, failed_writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._become(output, parent)
            except Exception as error:  # noqa: BLE001 - whatever it is, this process ends here
                os.write(failed_writer, str(getattr(error, "errno", None) or errno.EINVAL).encode())
            finally:
                os._exit(_FAILED)
        os.close(failed_writer)
        with os.fdopen(failed_reader) as failed:
            # Closed by a successful exec.
            number = failed.read()
        if number:
            raise CannotStart(f"{self.words[0]}: {os.strerror(int(number))}")

    def has_begun(self) -> bool:
        return True

    def poll(self) -> Ended | None:
        self._reap()
        return self.ended

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGTERM)

    def end(self) -> None:
        if self.cgroup is not None:
            self.cgroup.end(timeout_s=END_TIMEOUT_S, reap=self._reap)
        end_descendants(os.getpid(), timeout_s=END_TIMEOUT_S, reap=self._reap)
        self._reap()

    def _reap(self) -> None:
        ended = reap()
        if self.pid in ended and self.ended is None:
            self.ended = Ended(ended[self.pid])

    def _become(self, output: int, parent: int) -> None:
        """Turn this new process into the command. Nothing of the supervisor's is left open."""
        os.setsid()
        if self.cgroup is not None:
            with contextlib.suppress(OSError):
                self.cgroup.enter()
        keep_to(self.processors)
        for kind, value in self.limits:
            _, most = resource.getrlimit(kind)
            bounded = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (bounded, bounded))
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.umask(0o077)
        os.chdir(self.folder / "work")
        if self.user is not None and self.user.pw_uid != os.geteuid():
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        # If the supervisor is killed, the command is not left alone. A change of user would undo this.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(_FAILED)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(self.words[0], self.words, self.environment)  # noqa: S606 - no shell is the purpose


def join_work(group: str, limits: Mapping[str, int], run_as: str, processors: Sequence[int] = ()) -> None:
    """In a new process: give up what the agent has and a work has not, and join the work's group.

    Raises: OSError, CannotStart.
    """
    user = find_user(run_as) if run_as else None
    cgroup = Cgroup.make(group)
    if cgroup is not None:
        with contextlib.suppress(OSError):
            cgroup.enter()
    keep_to(processors)
    for name, value in limits.items():
        kind = getattr(resource, name)
        _, most = resource.getrlimit(kind)
        bounded = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (bounded, bounded))
    os.umask(0o077)
    if user is not None and user.pw_uid != os.geteuid():
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    # A session does not outlive the agent whose connection it is.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def keep_to(processors: Sequence[int]) -> None:
    """Let this process run on some processors only; none named: on all. Raises: OSError."""
    if processors and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


def find_user(name: str) -> pwd.struct_passwd:
    """The account of that name. Raises: CannotStart."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise CannotStart(f"the node has no user {name}") from None
