"""OpenAI and Twilio: reached, signed in, set up; and what time it is there."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from gateway.agents.config.agent import Agent
from gateway.agents.config.outbound import E164
from gateway.agents.file.trunk_routes import missing_over_trunk
from gateway.agents.routing import AgentBook, may_lead
from gateway.cli.doctor.check import Finding, fail, ok, skip, unreachable, warn
from gateway.settings import Settings

SKEW_WARN_S: Final = 5.0
SKEW_MAX_S: Final = 60.0
"""Signatures of webhooks hold for five minutes, tokens of streams for one."""
SHUTDOWN_WARN_DAYS: Final = 90
SIPS_PORT: Final = 5061


async def openai(settings: Settings, book: AgentBook, http: httpx2.AsyncClient) -> list[Finding]:
    """The key, each model that an agent asks for, and the clock."""
    if settings.simulated and settings.openai_base_url == _default("openai_base_url"):
        return [skip("OpenAI", "simulated")]
    key = settings.openai_api_key.get_secret_value()
    found: list[Finding] = []
    spoken = {agent.model for agent in book.agents.values()}
    for model in sorted({model for agent in book.agents.values() for model in models_of(agent)}):
        response = await http.get(
            f"{settings.openai_base_url}/models/{model}", headers={"Authorization": f"Bearer {key}"}
        )
        if not found:
            found += [ok("OpenAI", settings.openai_base_url), skew(response)]
        if response.status_code == 401:
            return [*found, fail("OpenAI key", "not accepted", "Set a valid OPENAI_API_KEY.")]
        finding = _model(model, response, datetime.now(UTC).date())
        found.append(finding if model in spoken else _softened(finding))
    return found


def models_of(agent: Agent) -> Iterator[str]:
    """Return every model that a session of this agent names, that of its transcripts included."""
    yield agent.model
    if agent.transcription is not None:
        yield agent.transcription.model
    yield from _models_in(agent.session)


def _models_in(part: Any) -> Iterator[str]:
    for key, value in part.items() if isinstance(part, dict) else ():
        if key == "model" and isinstance(value, str):
            yield value
        yield from _models_in(value)


def _softened(finding: Finding) -> Finding:
    """Return a failure as a warning: calls go on without this model, but for its transcripts."""
    return replace(finding, status="warn") if finding.status == "fail" else finding


def _default(field: str) -> object:
    """Simulated, nothing leaves this machine unless its address was given on purpose."""
    return Settings.model_fields[field].default


def _model(model: str, response: httpx2.Response, today: date) -> Finding:
    name, status = f"model {model}", response.status_code
    if status == 200:
        return shutdown(name, response, today) or ok(name, "the key may use it")
    if status in (403, 404):
        fix = "Give the key's project access to it, or name another model in the agents file."
        return fail(name, "the key may not use it, or there is none", fix)
    return fail(name, f"OpenAI answers {status}", "See status.openai.com, and try again.")


def shutdown(name: str, response: httpx2.Response, today: date) -> Finding | None:
    """Return what the vendor says of a model's end, if that is near or past."""
    try:
        ends = date.fromisoformat(str(response.json()["shutdown_date"]))
    except (ValueError, KeyError, TypeError):
        return None  # null: no date is set
    days = (ends - today).days
    if days > SHUTDOWN_WARN_DAYS:
        return None
    fix = "Name another model in the agents file."
    if days <= 0:
        return fail(name, f"was shut down on {ends}", fix)
    return warn(name, f"is shut down on {ends}, in {days} days", fix)


def skew(response: httpx2.Response) -> Finding:
    """Compare this clock with the vendor's, whose Date has whole seconds."""
    try:
        theirs = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return skip("clock", "the answer has no Date")
    off_s = time.time() - theirs
    if abs(off_s) <= SKEW_WARN_S:
        return ok("clock", "right to a few seconds")
    detail, fix = f"off by {off_s:.0f} s", "Run NTP on this host: signatures expire by the clock."
    make = fail if abs(off_s) > SKEW_MAX_S else warn
    return make("clock", detail, fix)


async def twilio(settings: Settings, book: AgentBook, http: httpx2.AsyncClient) -> list[Finding]:
    """The account, and how each number that a route names is set up."""
    if settings.simulated and settings.twilio_base_url == _default("twilio_base_url"):
        return [skip("Twilio", "simulated")]
    base = f"{settings.twilio_base_url}/2010-04-01/Accounts/{settings.twilio_account_sid}"
    auth = (settings.twilio_account_sid, settings.twilio_auth_token[0].get_secret_value())
    response = await http.get(f"{base}.json", auth=auth)
    if response.status_code in (401, 403, 404):
        fix = "Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN of one account, the token in use first."
        return [fail("Twilio account", f"refused ({response.status_code})", fix)]
    if not response.is_success:
        fix = "See status.twilio.com, and try again."
        return [fail("Twilio account", f"Twilio answers {response.status_code}", fix)]
    status = response.json().get("status", "unknown")
    if status != "active":
        return [fail("Twilio account", str(status), "Settle it in Twilio's console.")]
    routes = [route.to for route in book.routes if E164.fullmatch(route.to)]
    found = [ok("Twilio account", "active")]
    if not routes:
        return [*found, skip("numbers", "no route names one")]
    url = f"{base}/IncomingPhoneNumbers.json"
    asked = (http.get(url, params={"PhoneNumber": one}, auth=auth) for one in routes)
    answers = await asyncio.gather(*asked)
    for number, answer in zip(routes, answers, strict=True):
        found += _number(number, answer, settings, book)
    return found


def _number(
    number: str, answer: httpx2.Response, settings: Settings, book: AgentBook
) -> Iterable[Finding]:
    name = f"number {number}"
    numbers = answer.json().get("incoming_phone_numbers", []) if answer.is_success else []
    one = next((n for n in numbers if n.get("phone_number") == number), None)
    if one is None:
        yield fail(name, "not a number of this account", "Buy it, or correct the route.")
        return
    yield _voice(name, one, f"{settings.public_url}/twilio/voice", f"--number {number}")
    yield from _over_trunk(name, number, book, on_trunk=bool(one.get("trunk_sid")))
    if not one.get("voice_fallback_url"):
        fix = f"gateway provision --number {number} --fallback-url ADDRESS --apply"
        yield warn(name, "no fallback while the gateway cannot be reached", fix)
    if str(one.get("status_callback") or "").partition("#")[0] != (
        f"{settings.public_url}/twilio/status"
    ):
        fix = f"gateway provision --number {number} --apply"
        yield warn(name, "its status callback does not come here", fix)


def _over_trunk(name: str, number: str, book: AgentBook, *, on_trunk: bool) -> Iterator[Finding]:
    """Yield what agents of a number ask for that no call over a trunk can have."""
    route = book.route(number)
    fix = "Correct the route in the agents file, or how the number is routed at Twilio."
    if route is not None and route.trunk is False and on_trunk:
        yield fail(name, "is on a SIP trunk, and its route says `trunk: false`: calls fail", fix)
    elif route is not None and route.trunk and not on_trunk:
        yield warn(name, "is on no SIP trunk, and its route says `trunk: true`", fix)
    if not on_trunk or route is None:
        return
    for agent in may_lead(book.agents, route.agent):
        lost = [f"no {what}" for what in missing_over_trunk(agent)]
        if lost:
            fix = (
                "Take the number off its trunk, so that it rings at /twilio/voice, or have "
                "it answered by an agent that does not ask for this."
            )
            yield fail(name, f"is on a SIP trunk: {agent.name} has {' and '.join(lost)} there", fix)


def _voice(name: str, one: dict[str, Any], wanted: str, which: str) -> Finding:
    fix = f"gateway provision {which} --apply"
    if one.get("trunk_sid"):
        return warn(name, "is on a SIP trunk: its voice URL is off", f"If not meant: {fix}")
    if one.get("voice_application_sid"):
        return fail(name, "is on a TwiML application: its voice URL is off", fix)
    url = str(one.get("voice_url") or "")
    if url.partition("#")[0] != wanted:
        return fail(name, f"its voice URL is {url or 'empty'}", fix)
    if one.get("voice_method") != "POST":
        return warn(name, "asks by GET", fix)
    return ok(name, url)


async def sip(settings: Settings) -> list[Finding]:
    """The way that a carrier takes: TLS to the SIP port."""
    host, _, port = settings.openai_sip_host.partition(":")
    name = f"SIP {host}:{port or SIPS_PORT}"
    if settings.openai_project_id is None:
        return [skip("SIP", "OPENAI_PROJECT_ID is unset")]
    if settings.simulated:
        return [skip("SIP", "simulated")]
    try:
        context = ssl.create_default_context()
        _, writer = await asyncio.open_connection(host, int(port or SIPS_PORT), ssl=context)
    except OSError as error:
        return [unreachable(name, error)]
    writer.close()
    return [ok(name, "TLS")]
