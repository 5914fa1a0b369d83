from django.apps import AppConfig


class LeasesConfig(AppConfig):
    name = "compute_market.leases"
    label = "leases"

    def ready(self) -> None:
        from compute_market.leases import receivers  # noqa: F401
