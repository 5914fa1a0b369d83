from django.apps import AppConfig


class MatchingConfig(AppConfig):
    name = "compute_market.matching"
    label = "matching"
