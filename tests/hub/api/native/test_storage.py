from __future__ import annotations

from django.test import Client

from tests.factories import hub


class TestStorage:
    def test_shows_logical_and_stored_size(self, client: Client, db: None) -> None:
        repository = hub.repository(hub.actor())
        response = client.get(f"/api/hub/v1/repositories/model/{repository.full_name}/storage")
        assert response.json() == {"logical_bytes": 0, "stored_bytes": 0, "ratio": 1.0}

    def test_hides_private_repositories(self, client: Client, db: None) -> None:
        repository = hub.repository(hub.actor(), visibility="private")
        response = client.get(f"/api/hub/v1/repositories/model/{repository.full_name}/storage")
        assert response.status_code == 404
