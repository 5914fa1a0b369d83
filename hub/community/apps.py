from django.apps import AppConfig


class CommunityConfig(AppConfig):
    name = "hub.community"
    label = "community"

    def ready(self) -> None:
        from hub.community import receivers  # noqa: F401 - connects them
