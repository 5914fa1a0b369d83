from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "compute_market.ledger"
    label = "ledger"
