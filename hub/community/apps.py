from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommunityConfig(AppConfig):
    name = "hub.community"
    label = "community"
    verbose_name = _("Community")

    def ready(self) -> None:
        from hub.community import receivers  # noqa: F401 - connects them
