from __future__ import annotations

import pytest
from django.test import Client

from hub.community import jobs
from hub.community.models import Delivery
from tests.factories import hub as make
from tests.servers.receiver import receiving

pytestmark = pytest.mark.django_db
WEBHOOKS = "/api/settings/webhooks"
NEW = {"url": "http://127.0.0.1:9/", "watched": [{"type": "user", "name": "ada"}], "domains": ["repo"]}


@pytest.fixture
def ada() -> Client:
    return Client(headers=make.bearer(make.user("ada")))


class TestWebhooks:
    def test_have_the_keys_that_old_clients_need(self, ada: Client) -> None:
        made = ada.post(WEBHOOKS, NEW, content_type="application/json").json()["webhook"]
        assert made["secret"] is None
        assert {"id", "url", "secret", "watched", "domains", "disabled"} <= set(made)
        assert ada.get(WEBHOOKS).json() == [made]

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"jobSourceId": "x"}, 501),
            ({"url": 7}, 400),
            ({"url": "ftp://x/"}, 400),
            ({"watched": "ada"}, 400),
            ({"watched": ["ada"]}, 400),
            ({"watched": []}, 400),
            ({"domains": ["weather"]}, 400),
        ],
    )
    def test_refuse_what_makes_no_sense(self, ada: Client, change: dict[str, object], status: int) -> None:
        answer = ada.post(WEBHOOKS, NEW | change, content_type="application/json")
        assert (answer.status_code, bool(answer.json()["error"])) == (status, True)

    def test_are_nobodys_business(self, ada: Client, client: Client) -> None:
        made = ada.post(WEBHOOKS, NEW, content_type="application/json").json()["webhook"]
        bob = Client(headers=make.bearer(make.user("bob")))
        assert bob.get(f"{WEBHOOKS}/{made['id']}").status_code == 404
        assert bob.get(WEBHOOKS).json() == []
        assert client.get(WEBHOOKS).status_code == 401

    def test_show_their_log_and_repeat_a_delivery(self, ada: Client) -> None:
        with receiving() as receiver:
            new = NEW | {"url": receiver.url}
            made = ada.post(WEBHOOKS, new, content_type="application/json").json()["webhook"]
            make.repository(make.actor("ada"))
            delivery = Delivery.objects.get()
            jobs.deliver(delivery_id=delivery.pk, now=delivery.due_at)
        log = f"{WEBHOOKS}/{made['id']}/deliveries"
        (row,) = ada.get(log).json()
        assert (row["status"], row["responseStatus"], row["response"]) == ("delivered", 200, "thanks")
        assert ada.post(f"{log}/{row['id']}/redeliver").json()["status"] == "waiting"
        assert ada.post(f"{log}/nothing/redeliver").status_code == 404
        assert len(ada.get(log).json()) == 2
