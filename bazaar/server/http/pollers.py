"""Waiting for many sockets at once. Every socket is reported once and then silent until it is armed again.

So another thread may have a socket meanwhile, and may arm it when it is done with it.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from typing import Protocol


class Poller(Protocol):
    def arm(self, number: int, *, for_writing: bool = False, is_new: bool = False) -> None:
        """Report the file descriptor once, when it can be read (or written). `is_new`: for the first time."""

    def forget(self, number: int) -> None:
        """Do not report it any more. Descriptors that are closed are forgotten by themselves."""

    def wait(self, seconds: float) -> Iterator[int]:
        """The descriptors that are ready, after at most so many seconds."""

    def close(self) -> None: ...


if sys.platform == "linux":

    class SystemPoller:
        """epoll with EPOLLONESHOT."""

        def __init__(self) -> None:
            self._epoll = select.epoll()

        def arm(self, number: int, *, for_writing: bool = False, is_new: bool = False) -> None:
            mask = (select.EPOLLOUT if for_writing else select.EPOLLIN) | select.EPOLLONESHOT
            if is_new:
                self._epoll.register(number, mask)
            else:
                self._epoll.modify(number, mask)

        def forget(self, number: int) -> None:
            self._epoll.unregister(number)

        def wait(self, seconds: float) -> Iterator[int]:
            return (number for number, _ in self._epoll.poll(seconds))

        def close(self) -> None:
            self._epoll.close()

else:

    class SystemPoller:
        """kqueue with EV_ONESHOT."""

        def __init__(self) -> None:
            self._kqueue = select.kqueue()

        def arm(self, number: int, *, for_writing: bool = False, is_new: bool = False) -> None:
            kind = select.KQ_FILTER_WRITE if for_writing else select.KQ_FILTER_READ
            flags = select.KQ_EV_ADD | select.KQ_EV_ONESHOT
            self._kqueue.control([select.kevent(number, kind, flags)], 0)

        def forget(self, number: int) -> None:
            """Do nothing: the events were reported and forgotten, and nothing else is polled here."""

        def wait(self, seconds: float) -> Iterator[int]:
            return (event.ident for event in self._kqueue.control(None, 256, seconds))

        def close(self) -> None:
            self._kqueue.close()
