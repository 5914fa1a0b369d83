from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    name = "hub.catalogue"
    label = "catalogue"
