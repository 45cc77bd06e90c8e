"""The public address, asked as Twilio and OpenAI ask it: does it lead to this very process?"""

from __future__ import annotations

import json
import secrets
import time
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from gateway.cli.doctor.check import Finding, fail, ok, skip, unreachable, warn
from gateway.protocols.standard_webhooks import signed_headers, signing_keys
from gateway.settings import Settings

_SIGNATURE: Final = "X-Twilio-Signature"
_BAD: Final = "The address that Twilio signs and GATEWAY_PUBLIC_URL must be the same to the letter."


async def webhooks(settings: Settings, http: httpx2.AsyncClient) -> list[Finding]:
    """Signs a webhook to itself, and sees whether this process counted it."""
    before = await _counted(settings, http)
    url = f"{settings.public_url}/twilio/status"
    fields = {"CallSid": f"CA{secrets.token_hex(16)}", "To": "+15550100", "CallStatus": "ringing"}
    token = settings.twilio_auth_token[0].get_secret_value()
    signed = {_SIGNATURE: RequestValidator(token).compute_signature(url, fields)}
    response = await http.post(url, data=fields, headers=signed)
    if response.status_code == 403:
        return [fail("public URL", "its own signature is refused there", _BAD)]
    if response.status_code != 204:
        fix = "The address must lead to the gateway: check the ingress."
        return [fail("public URL", f"{url} answers {response.status_code}", fix)]
    return [_ours(before, await _counted(settings, http))]


def _ours(before: float | None, after: float | None) -> Finding:
    if before is None or after is None:
        fix = "Run this beside the gateway, with its settings, to know which process answers."
        return warn("public URL", "a gateway answers; none listens here", fix)
    if after <= before:
        fix = "With several replicas that is as it should be; with one, correct the ingress."
        return warn("public URL", "another gateway answers than the one here", fix)
    return ok("public URL", "leads to the gateway that listens here")


async def _counted(settings: Settings, http: httpx2.AsyncClient) -> float | None:
    """Status callbacks that the process on this host has taken; None while there is none."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    try:
        response = await http.get(f"http://{host}:{settings.port}/metrics")
    except httpx2.HTTPError:
        return None
    if not response.is_success:
        return None
    return sum(
        sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if sample.name == "gateway_webhooks_total"
        and sample.labels == {"endpoint": "status", "result": "ok"}
    )


async def media(settings: Settings) -> list[Finding]:
    """The media stream's upgrade: many a proxy forgets WebSockets."""
    token = settings.twilio_auth_token[0].get_secret_value()
    url = settings.media_url
    signed = {_SIGNATURE.lower(): RequestValidator(token).compute_signature(url, {})}
    fix = "Pass WebSockets through, with idle timeouts above an hour."
    try:
        async with connect(url, additional_headers=signed, compression=None, close_timeout=1):
            return [ok("media stream", url)]
    except InvalidHandshake as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 403:
            return [fail("media stream", "its own signature is refused there", _BAD)]
        return [fail("media stream", f"no upgrade ({status or type(error).__name__})", fix)]
    except WebSocketException as error:
        return [fail("media stream", type(error).__name__, fix)]
    except OSError as error:
        return [unreachable("media stream", error)]


async def openai_webhook(settings: Settings, http: httpx2.AsyncClient) -> list[Finding]:
    """Signs an event of no interest with each secret: every one must be believed."""
    if not settings.openai_webhook_secret:
        return [skip("OpenAI's webhook", "OPENAI_WEBHOOK_SECRET is unset: no SIP calls")]
    for secret in settings.openai_webhook_secret:
        body = json.dumps(
            {
                "object": "event",
                "id": "evt_doctor",
                "type": "doctor.visit",
                "created_at": int(time.time()),
                "data": {},
            }
        ).encode()
        try:
            headers = standard_webhook(secret.get_secret_value(), body)
        except ValueError:
            return [skip("OpenAI's webhook", "its secret cannot be used")]
        response = await http.post(
            f"{settings.public_url}/openai/webhook", content=body, headers=headers
        )
        if response.status_code == 403:
            fix = "The gateway that answers has another OPENAI_WEBHOOK_SECRET: restart it."
            return [fail("OpenAI's webhook", "its own signature is refused there", fix)]
        if response.status_code != 200:
            fix = "The address must lead to the gateway: check the ingress."
            return [fail("OpenAI's webhook", f"answers {response.status_code}", fix)]
    return [ok("OpenAI's webhook", f"{settings.public_url}/openai/webhook")]


def standard_webhook(secret: str, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook as OpenAI signs it. Raises ValueError for a bad secret."""
    event_id = f"wh_{secrets.token_hex(12)}"
    signed = signed_headers(signing_keys(secret), event_id, int(time.time()), body)
    return {"content-type": "application/json", **signed}
