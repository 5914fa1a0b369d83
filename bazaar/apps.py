from django.apps import AppConfig


class BazaarConfig(AppConfig):
    name = "bazaar"
    label = "bazaar"

    def ready(self) -> None:
        from bazaar import doctor  # noqa: F401 - its checks register themselves
