from django.apps import AppConfig


class HubWebConfig(AppConfig):
    name = "hub.web"
    label = "hub_web"
