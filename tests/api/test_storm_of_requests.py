"""More requests at once than there are connections to the database: each has its turn, none waits in a circle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient

AT_ONCE = 150


def test_more_requests_at_once_than_threads_and_connections_are_all_answered(
    committed_client: TestClient, sign_in: Callable[..., dict[str, str]]
) -> None:
    headers = sign_in("duty_officer")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: committed_client.get("/api/v1/incidents", headers=headers), range(AT_ONCE)))
    assert {answer.status_code for answer in answers} == {200}
