from django.apps import AppConfig


class RevisionsConfig(AppConfig):
    name = "hub.revisions"
    label = "revisions"
