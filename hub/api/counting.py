"""Telling the download counters who fetched what: every door that hands out content calls this."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone

from hub.api.authentication import principal_of
from hub.api.requesters import requester_of
from hub.downloads import services as downloads
from hub.repos.models import Repository


def count_download(request: HttpRequest, repository: Repository) -> None:
    """Count one request for content, by whoever asks. HEAD is not one."""
    requester = requester_of(request, principal_of(request))
    downloads.record(repository_id=repository.pk, requester=requester, now=timezone.now())
