"""Client of a running gateway's operators' API, for commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import httpx2

from gateway.errors import ServiceUnreachable, SettingsError

_TIMEOUT_S: Final = 60.0
"""Forgetting a caller of many calls takes its time."""


class OperatorClient:
    """Requests with GATEWAY_ADMIN_TOKEN; errors are sentences that say what to do."""

    def __init__(self, url: str) -> None:
        token = os.environ.get("GATEWAY_ADMIN_TOKEN", "")
        if not token:
            raise SettingsError("GATEWAY_ADMIN_TOKEN is not set: it is the gateway's own.")
        self._client = httpx2.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )

    def __enter__(self) -> OperatorClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return the JSON of the answer. Raises ServiceUnreachable, SettingsError."""
        answer = self._send(method, path, **more)
        return answer.json()

    def pages(self, path: str, key: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield every entry of a list, page by page."""
        cursor: str | None = None
        while True:
            given = {name: value for name, value in query.items() if value}
            page = self.ask("GET", path, params=given | ({"cursor": cursor} if cursor else {}))
            yield from page[key]
            cursor = page["next"]
            if cursor is None:
                return

    def _send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        try:
            answer = self._client.request(method, path, **more)
        except httpx2.HTTPError:
            raise ServiceUnreachable(
                f"The gateway cannot be reached at {self._client.base_url}: see --url."
            ) from None
        if not answer.is_success:
            raise refused(answer)
        return answer


def refused(answer: httpx2.Response) -> SettingsError | ServiceUnreachable:
    """Return the error for a refusal: a wrong request, or a state that may pass."""
    try:
        sentence = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        sentence = f"The gateway answers {answer.status_code}: is GATEWAY_ADMIN_TOKEN set there?"
    later = answer.status_code in (409, 429) or answer.status_code >= 500
    return ServiceUnreachable(sentence) if later else SettingsError(sentence)
