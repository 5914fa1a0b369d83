from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LeasesConfig(AppConfig):
    name = "compute_market.leases"
    label = "leases"
    verbose_name = _("Market: leases")

    def ready(self) -> None:
        from compute_market.leases import receivers  # noqa: F401
