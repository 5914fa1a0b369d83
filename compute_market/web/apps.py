from django.apps import AppConfig


class MarketWebConfig(AppConfig):
    name = "compute_market.web"
    label = "market_web"
