from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MatchingConfig(AppConfig):
    name = "compute_market.matching"
    label = "matching"
    verbose_name = _("Market: orders and trades")

    def ready(self) -> None:
        """Connect the receivers of signals of lower rooms."""
        from compute_market.leases.signals import lease_moved
        from compute_market.matching import receivers
        from compute_market.offers import signals

        signals.node_went_stale.connect(receivers.suspend_offers)
        signals.node_suspended.connect(receivers.suspend_offers)
        signals.node_bond_fell_short.connect(receivers.suspend_offers)
        signals.node_retired.connect(receivers.cancel_offers)
        signals.node_returned.connect(receivers.return_offers)
        signals.product_changed.connect(receivers.change_listing)
        lease_moved.connect(receivers.cancel_sell_backs)
