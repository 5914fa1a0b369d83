"""Notifications, watches, and counts of everything."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts import selectors as accounts
from hub.accounts.models import Namespace
from hub.accounts.policies import require_signed_in
from hub.api.native import answers, bodies
from hub.api.native.base import NativeView, Page, page_of
from hub.community.selectors import people, statistics
from hub.community.services import people as services
from hub.repos import selectors as repos
from hub.repos.models import Repository

UNREAD = OpenApiParameter("unread", bool, description="Only those that are not read yet.")


class NotificationsView(NativeView):
    @extend_schema(parameters=[Page, UNREAD], responses=answers.Notifications)
    def get(self, request: Request) -> Response:
        """One's own notifications, the latest made first."""
        require_signed_in(self.actor)
        only_unread = request.query_params.get("unread", "").lower() in {"1", "true"}
        rows = people.notifications_of(actor=self.actor, is_read=False if only_unread else None)
        found, following = page_of(
            rows.order_by("-id"),
            {
                name: request.query_params[name]
                for name in ("limit", "before")
                if name in request.query_params
            },
        )
        items = [answers.NotificationShape.of(row) for row in found]
        unread = people.unread_count(self.actor)
        return Response(answers.Notifications(items=items, next=following, unread=unread))

    @extend_schema(request=bodies.Mark, responses=answers.Marked)
    def post(self, request: Request) -> Response:
        """Mark some or all as read or unread."""
        asked = self.valid(bodies.Mark)
        return Response(answers.Marked(changed=services.mark_notifications(actor=self.actor, **asked)))


class Watches(NativeView):
    @extend_schema(responses=list[answers.Watched])
    def get(self, request: Request) -> Response:
        """The repositories and people that the user watches, the latest first."""
        require_signed_in(self.actor)
        return Response([answers.Watched.of(watch) for watch in people.watches_of(actor=self.actor)])

    @extend_schema(request=bodies.Watching, responses={204: None})
    def put(self, request: Request) -> Response:
        """Watch, or stop watching, a repository, a user or an organization."""
        asked = self.valid(bodies.Watching)
        services.set_watch(
            actor=self.actor,
            target=self._target(asked["type"], asked["name"]),
            is_watching=asked["is_watching"],
            now=timezone.now(),
        )
        return Response(status=204)

    def _target(self, kind: str, name: str) -> Namespace | Repository:
        """Raises: NamespaceNotFound, RepositoryNotFound."""
        if kind == "user":
            return accounts.get_user(name).namespace
        if kind == "org":
            return accounts.get_organization(name)
        return repos.get_repository(actor=self.actor, kind=kind, repo_id=name)


class StatisticsView(NativeView):
    @extend_schema(responses=answers.Statistics)
    def get(self, request: Request) -> Response:
        """Counts over everything that is public."""
        return Response(answers.Statistics(**statistics.public_counts()))
