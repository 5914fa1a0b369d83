from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OffersConfig(AppConfig):
    name = "compute_market.offers"
    label = "offers"
    verbose_name = _("Market: supply")

    def ready(self) -> None:
        """Connect the receivers of signals of the room below."""
        from compute_market.ledger.signals import bond_moved
        from compute_market.offers import receivers

        bond_moved.connect(receivers.review_its_nodes)
