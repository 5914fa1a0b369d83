from django.apps import AppConfig


class SearchConfig(AppConfig):
    name = "hub.search"
    label = "search"

    def ready(self) -> None:
        from hub.search import receivers  # noqa: F401 - connects them
