from django.apps import AppConfig


class OffersConfig(AppConfig):
    name = "compute_market.offers"
    label = "offers"
