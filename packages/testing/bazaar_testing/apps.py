from django.apps import AppConfig


class TestingConfig(AppConfig):
    name = "bazaar_testing"

    def ready(self) -> None:
        from bazaar.celery import app

        # Tasks are made of this class when the first of them is asked for, which is after all apps are ready.
        app.task_cls = "bazaar_testing.mock.tasks:FaultyTask"
