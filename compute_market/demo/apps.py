from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "compute_market.demo"
    label = "market_demo"
