from django.apps import AppConfig


class LfsConfig(AppConfig):
    name = "hub.lfs"
    label = "lfs"

    def ready(self) -> None:
        from hub.lfs import receivers  # noqa: F401
