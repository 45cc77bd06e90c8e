"""`gateway provision`: show what it would change, and do so only with `--apply`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import openai
import requests
import typer
from openai import OpenAI
from rich.console import Console
from rich.text import Text
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from gateway import limits
from gateway.agents.config.outbound import E164
from gateway.agents.file.loader import DEFAULT_AGENTS, load_agents
from gateway.cli.doctor.check import unreachable
from gateway.cli.provision.numbers import (
    OVERRIDES,
    Wanted,
    plan_trunk,
    plan_unseen,
    plan_webhooks,
)
from gateway.cli.provision.plan import ProvisionPlan
from gateway.cli.provision.webhook import SecretFile, plan_unseen_webhook, plan_webhook
from gateway.errors import ServiceUnreachable, SettingsError
from gateway.settings import Settings, load_settings
from gateway.transports import twilio_account


def provision(
    number: Annotated[
        list[str] | None,
        typer.Option(help="A number, E.164; several times for a pool. Default: the routes'."),
    ] = None,
    trunk: Annotated[str, typer.Option(help="Numbers on a SIP trunk of this name.")] = "",
    webhook: Annotated[
        bool, typer.Option(help="OpenAI's webhook too; needed for SIP calls.")
    ] = False,
    secret_file: Annotated[
        Path | None, typer.Option(help="Where a new webhook secret is kept (0600).")
    ] = None,
    rotate_secret: Annotated[
        bool, typer.Option("--rotate-secret", help="A new webhook secret; the old one stays valid.")
    ] = False,
    fallback_url: Annotated[
        str, typer.Option(help="TwiML for callers while the gateway cannot be reached.")
    ] = "",
    messages: Annotated[bool, typer.Option(help="Texts and photos go to the gateway too.")] = False,
    overrides: Annotated[
        str, typer.Option(help="Connection overrides of the voice URL; '' for none.")
    ] = OVERRIDES,
    offline: Annotated[
        bool, typer.Option("--offline", help="Show the plan without asking an account.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
) -> None:
    """Configure Twilio and OpenAI for the gateway; without --apply only show what would change."""
    if offline and apply:
        raise SettingsError("--offline asks no account, so there is nothing to --apply.")
    settings = load_settings(os.environ, simulated=offline)
    secrets = SecretFile(secret_file)
    numbers = _numbers(settings, number or [])
    openai_alone = (webhook or rotate_secret) and not (messages or fallback_url)
    if not (numbers or trunk or openai_alone):
        raise SettingsError(
            "No route names a number: give --number +15550100, or name yours in the agents file."
        )
    wanted = Wanted(
        settings.public_url,
        numbers,
        overrides,
        fallback_url,
        f"{settings.public_url}/twilio/messages" if messages else "",
    )
    console = Console(highlight=False, soft_wrap=True)
    if offline:
        _show(console, _unseen(settings, wanted, trunk, webhook=webhook or rotate_secret))
        console.print("Shown without asking the accounts; nothing was done.", style="dim")
        return
    try:
        with _twilio(settings) as twilio, _openai(settings) as client:
            plan = ProvisionPlan()
            if trunk:
                plan_trunk(plan, twilio, wanted, trunk, _sip_url(settings))
            else:
                plan_webhooks(plan, twilio, wanted)
            makes_secret = (webhook or rotate_secret) and plan_webhook(
                plan, client, f"{settings.public_url}/openai/webhook", secrets, rotate=rotate_secret
            )
            _show(console, plan)
            if not apply:
                console.print(_outcome(plan), style="dim")
                return
            if makes_secret:
                secrets.check()
            _apply(console, plan)
    except (TwilioException, requests.RequestException, openai.OpenAIError) as error:
        raise ServiceUnreachable(_sentence(error, settings)) from error


def _unseen(settings: Settings, wanted: Wanted, trunk: str, *, webhook: bool) -> ProvisionPlan:
    plan = ProvisionPlan()
    plan_unseen(plan, wanted, trunk, _sip_url(settings) if trunk else "")
    if webhook:
        plan_unseen_webhook(plan, f"{settings.public_url}/openai/webhook")
    if not os.environ.get("GATEWAY_PUBLIC_URL"):
        plan.warnings.append(f"GATEWAY_PUBLIC_URL is unset: {settings.public_url} stands for it.")
    return plan


def _twilio(settings: Settings) -> AbstractContextManager[Client]:
    token = settings.twilio_auth_token[0].get_secret_value()
    return twilio_account.opened(settings.twilio_base_url, settings.twilio_account_sid, token)


def _openai(settings: Settings) -> OpenAI:
    return OpenAI(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        project=settings.openai_project_id,
        timeout=2 * limits.web.REST_TIMEOUT_S,
    )


def _sip_url(settings: Settings) -> str:
    """Return where the trunk goes; the trunk itself says that it is `secure`."""
    if settings.openai_project_id is None:
        raise SettingsError("--trunk needs OPENAI_PROJECT_ID: set it.")
    return f"sip:{settings.openai_project_id}@{settings.openai_sip_host};transport=tls"


def _numbers(settings: Settings, given: list[str]) -> list[str]:
    for one in given:
        if not E164.fullmatch(one):
            raise SettingsError(f"{one} is not a number like +15550123.")
    if given:
        return list(dict.fromkeys(given))
    book = load_agents(settings.agents or DEFAULT_AGENTS)
    return [route.to for route in book.routes if E164.fullmatch(route.to)]


def _show(console: Console, plan: ProvisionPlan) -> None:
    for what in plan.settled:
        console.print(Text(f"= {what}", "dim"))
    for step in plan.steps:
        console.print(Text(f"{'+' if step.new else '~'} {step.what}", "bold"))
        for name, (now, then) in step.changes.items():
            if not step.new:
                console.print(Text(f"    - {name}: {_value(now)}", "red"))
            console.print(Text(f"    + {name}: {_value(then)}", "green"))
    for warning in plan.warnings:
        console.print(Text(f"! {warning}", "yellow"))


def _value(value: Any) -> str:
    return "none" if value in (None, "") else str(value)


def _outcome(plan: ProvisionPlan) -> str:
    if not plan.steps:
        return "Everything is as it should be."
    return f"{len(plan.steps)} to change; nothing was done: repeat with --apply."


def _apply(console: Console, plan: ProvisionPlan) -> None:
    for step in plan.steps:
        step.apply()
        console.print(Text(f"done: {step.what}"))
    if not plan.steps:
        console.print("Everything is as it should be.", style="dim")


def _sentence(error: Exception, settings: Settings) -> str:
    """Return the failure in one sentence; neither package puts secrets into its errors."""
    if isinstance(error, openai.APIStatusError):
        detail: Mapping[str, Any] = error.body if isinstance(error.body, dict) else {}
        return f"OpenAI refuses ({error.status_code}): {detail.get('code') or 'see its status'}."
    if isinstance(error, openai.OpenAIError):
        return _unreachable("OpenAI", settings.openai_base_url, error)
    if isinstance(error, TwilioException):
        status = getattr(error, "status", "")
        return f"Twilio refuses ({status}): {getattr(error, 'msg', type(error).__name__)}"
    return _unreachable("Twilio", settings.twilio_base_url, error)


def _unreachable(vendor: str, base_url: str, error: Exception) -> str:
    """Return which host cannot be reached, and why, in the words of `gateway doctor`."""
    found = unreachable(vendor, error)
    return f"{vendor} at {urlsplit(base_url).netloc}: {found.detail}. {found.fix}"
