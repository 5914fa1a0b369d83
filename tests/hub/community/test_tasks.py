from __future__ import annotations

from functools import partial

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from compute_market.matching.clearing import tasks as market
from hub.community import tasks


@pytest.mark.django_db
class TestRinging:
    def test_is_named_for_the_log_that_tells_of_a_silent_broker(
        self, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        with django_capture_on_commit_callbacks():
            tasks.enqueue(tasks.notify, event_id=1)
            market.enqueue_drain(1)
            hooks = [hook for _, hook, *_ in transaction.get_connection().run_on_commit]
        assert [isinstance(hook, partial) for hook in hooks] == [True, True]
        assert all(hook.__qualname__ for hook in hooks)
