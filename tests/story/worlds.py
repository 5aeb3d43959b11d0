"""Who tells a crisis in the tests: the test's client with tokens for the ministry and the missions of the crisis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient

from alerts.story.api import Api

MISSIONS = {
    "turkiye_2023": ("kbri-ankara", "kbri-damascus"),
    "feri_2021": ("kjri-kota-kinabalu", "kjri-davao-city"),
    "contoh": ("kri-songkhla",),
    "yaman": ("kbri-muscat",),
    "attack": ("kbri-windhoek", "kbri-pretoria"),
}


class InProcess:
    """The test's client where `requests` would be; it knows no timeouts."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def request(self, method: str, url: str, *, json: Any, headers: Any, timeout: float) -> Any:
        return self._client.request(method, url, json=json, headers=headers)


@dataclass
class Teller:
    """A client with tokens for the ministry and the missions of a crisis."""

    client: TestClient
    api: Api
    reader: dict[str, str] = field(default_factory=dict)

    def summary(self, incident_id: str, **params: Any) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/incidents/{incident_id}/summary", params=params, headers=self.reader)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]
