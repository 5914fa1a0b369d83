from django.apps import AppConfig


class DownloadsConfig(AppConfig):
    name = "hub.downloads"
    label = "downloads"
