from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "compute_market.demo"
    label = "market_demo"

    def ready(self) -> None:
        """Hear of this machine's agent."""
        from compute_market.demo import receivers
        from compute_market.offers.signals import node_arrived

        node_arrived.connect(receivers.offer_this_machine)
