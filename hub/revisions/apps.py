from django.apps import AppConfig


class RevisionsConfig(AppConfig):
    name = "hub.revisions"
    label = "revisions"

    def ready(self) -> None:
        from hub.revisions import checks, receivers  # noqa: F401 - registers and connects them
