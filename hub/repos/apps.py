from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReposConfig(AppConfig):
    name = "hub.repos"
    label = "repos"
    verbose_name = _("Repositories")

    def ready(self) -> None:
        from hub.repos import receivers  # noqa: F401 - connects them
