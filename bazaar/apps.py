from django.apps import AppConfig

from bazaar.celery import app as celery_app

__all__ = ["BazaarConfig", "celery_app"]


class BazaarConfig(AppConfig):
    name = "bazaar"
    label = "bazaar"

    def ready(self) -> None:
        from bazaar import counting, doctor, resources, sweeps  # noqa: F401 - they register themselves
        from bazaar.instances import LeasedInstances
        from foundation import converters, stored_texts  # noqa: F401 - registers `row_id`
        from hub.api.csghub.instances import offer_instances, offer_resources

        stored_texts.install()
        offer_resources(resources.for_rent)
        offer_instances(LeasedInstances())
