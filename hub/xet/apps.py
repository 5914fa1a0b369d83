from django.apps import AppConfig


class XetConfig(AppConfig):
    name = "hub.xet"
    label = "xet"

    def ready(self) -> None:
        from hub.xet import checks  # noqa: F401
