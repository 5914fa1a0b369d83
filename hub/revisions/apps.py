from django.apps import AppConfig


class RevisionsConfig(AppConfig):
    name = "hub.revisions"
    label = "revisions"

    def ready(self) -> None:
        from hub.revisions import receivers  # noqa: F401 - connects them
