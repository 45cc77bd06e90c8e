"""The ASGI application: what it answers by itself."""

from __future__ import annotations

import httpx2
import pytest
from running_gateway import GatewayRig
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.web.http.asgi import GatewayApp


@pytest.mark.parametrize("path", ["/healthz/", "/twilio/voice/", "//evil.example.com/healthz/"])
async def test_no_address_of_the_host_headers_choice_is_redirected_to(
    rig: GatewayRig, path: str
) -> None:
    response = await rig.client.get(path, headers={"Host": "evil.example.com"})
    assert response.status_code == 404
    assert "location" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("POST", "/often", "the shortcut"),
        ("GET", "/often", "the route"),
        ("POST", "/seldom", "the route"),
        ("GET", "/seldom", "the route"),
    ],
)
async def test_a_shortcut_is_for_post_alone(method: str, path: str, answer: str) -> None:
    async def shortcut(_request: Request) -> Response:
        return PlainTextResponse("the shortcut")

    async def route(_request: Request) -> Response:
        return PlainTextResponse("the route")

    routes = [Route(one, route, methods=["GET", "POST"]) for one in ("/often", "/seldom")]
    app = httpx2.ASGITransport(GatewayApp({"/often": shortcut}, routes=routes))
    async with httpx2.AsyncClient(transport=app, base_url="http://gateway") as client:
        assert (await client.request(method, path)).text == answer
