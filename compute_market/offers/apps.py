from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OffersConfig(AppConfig):
    name = "compute_market.offers"
    label = "offers"
    verbose_name = _("Market: supply")
