from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class XetConfig(AppConfig):
    name = "hub.xet"
    label = "xet"
    verbose_name = _("Xet store")

    def ready(self) -> None:
        from hub.xet import checks  # noqa: F401
