from django.apps import AppConfig


class LfsConfig(AppConfig):
    name = "hub.lfs"
    label = "lfs"
