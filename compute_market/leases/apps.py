from django.apps import AppConfig


class LeasesConfig(AppConfig):
    name = "compute_market.leases"
    label = "leases"
