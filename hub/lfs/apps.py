from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LfsConfig(AppConfig):
    name = "hub.lfs"
    label = "lfs"
    verbose_name = _("Large objects")

    def ready(self) -> None:
        from hub.lfs import receivers  # noqa: F401
