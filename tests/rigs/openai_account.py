"""A simulated OpenAI project over REST: its models, and its webhook endpoints.

Source: `openai.resources.webhooks`. A signing secret is told once, when it is made.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import b64encode
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Endpoint = dict[str, Any]
_EVENT_TYPES: Final = frozenset(
    {"realtime.call.incoming", "response.completed", "response.failed", "batch.completed"}
)
"""Those of the vendor's that matter here; `live.*` ones are made in the dashboard only."""


class OpenAIAccount:
    def __init__(
        self, api_key: str, models: tuple[str, ...] = ("gpt-realtime-2.1", "gpt-transcribe")
    ) -> None:
        self._api_key, self._models = api_key, models
        self.endpoints: dict[str, Endpoint] = {}
        self.secrets: dict[str, str] = {}
        """By endpoint."""
        self.changes: list[str] = []

    def app(self) -> Starlette:
        endpoints = "/v1/webhook_endpoints"
        endpoints: list[tuple[str, str, Any]] = [
            ("GET", "/v1/models/{id}", self._model),
            ("GET", endpoints, self._list),
            ("POST", endpoints, self._create),
            ("GET", endpoints + "/{id}", self._retrieve),
            ("POST", endpoints + "/{id}", self._update),
            ("POST", endpoints + "/{id}/rotate_secret", self._rotate),
        ]
        return Starlette(
            routes=[
                Route(path, self._guarded(endpoint), methods=[m]) for m, path, endpoint in endpoints
            ]
        )

    def add(self, url: str, *event_types: str) -> Endpoint:
        """An endpoint that was made before."""
        made: Endpoint = {
            "id": f"we_{secrets.token_hex(8)}",
            "object": "webhook_endpoint",
            "url": url,
            "created_at": int(time.time()),
            "event_types": list(event_types),
            "name": "gateway",
        }
        self.endpoints[made["id"]] = made
        self._renew(made["id"])
        return made

    def _renew(self, endpoint_id: str) -> str:
        secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
        self.secrets[endpoint_id] = secret
        return secret

    def _guarded(self, endpoint: Any) -> Any:
        async def guarded(request: Request) -> JSONResponse:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {self._api_key}".encode()):
                return _error(401, "invalid_api_key", "Incorrect API key provided.")
            body = await request.body()
            answer: JSONResponse = endpoint(
                request.path_params.get("id", ""), json.loads(body or b"{}")
            )
            return answer

        return guarded

    def _model(self, model: str, _body: Any) -> JSONResponse:
        if model not in self._models:
            return _error(404, "model_not_found", f"The model '{model}' does not exist.")
        return JSONResponse({"id": model, "object": "model", "created": 1, "owned_by": "openai"})

    def _list(self, _id: str, _body: Any) -> JSONResponse:
        return JSONResponse(
            {"object": "list", "data": list(self.endpoints.values()), "has_more": False}
        )

    def _create(self, _id: str, body: Endpoint) -> JSONResponse:
        if problem := _problem(body):
            return problem
        made = self.add(body["url"], *body["event_types"])
        made["name"] = body["name"]
        self.changes.append("create")
        return JSONResponse(made | {"signing_secret": self.secrets[made["id"]]})

    def _retrieve(self, endpoint_id: str, _body: Any) -> JSONResponse:
        found = self.endpoints.get(endpoint_id)
        return JSONResponse(found) if found else _error(404, "not_found", "No such endpoint.")

    def _update(self, endpoint_id: str, body: Endpoint) -> JSONResponse:
        if problem := _problem(body):
            return problem
        self.changes.append("update")
        self.endpoints[endpoint_id] |= body
        return JSONResponse(self.endpoints[endpoint_id])

    def _rotate(self, endpoint_id: str, body: dict[str, Any]) -> JSONResponse:
        kept = body.get("keep_old_secret_active_for_24_hours", False)
        self.changes.append(f"rotate keeping={kept}")
        secret = self._renew(endpoint_id)
        return JSONResponse(self.endpoints[endpoint_id] | {"signing_secret": secret})


def _problem(body: Endpoint) -> JSONResponse | None:
    if missing := {"name", "url", "event_types"} - set(body):
        return _error(400, "missing_required_parameter", f"Missing: {min(missing)}.")
    if not body["url"].startswith("https://"):
        return _error(400, "invalid_value", "The URL must be https.")
    if unknown := set(body["event_types"]) - _EVENT_TYPES:
        return _error(400, "invalid_value", f"Unknown event type: {min(unknown)}.")
    return None


def _error(status: int, code: str, message: str) -> JSONResponse:
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": body}, status)
