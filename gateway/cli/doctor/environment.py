"""Checks without a network: settings, agents, templates, folders, secrets."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping

from pydantic import SecretStr

from gateway import limits
from gateway.agents.file.loader import DEFAULT_AGENTS
from gateway.agents.routing import AgentBook
from gateway.cli.doctor.check import Finding, fail, ok, skip, warn
from gateway.errors import FileError, SettingsError
from gateway.ops.database.spool import make_private
from gateway.ops.startup_checks import (
    agents_of,
    prices_for,
    require_operators,
    require_sip,
    require_store,
    templates_of,
)
from gateway.settings import Settings, variables
from gateway.tools.toolbox import Toolbox
from gateway.web.openai.webhook import OpenAISignature


def settings_told(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Each value, where it came from; of a secret only that it is there, and how long."""
    return [
        _told(name, getattr(settings, field), _source(name, environ, settings))
        for name, field in variables().items()
    ]


def _told(name: str, value: object, source: str) -> Finding:
    detail = f"{_shown(value)} ({source})"
    secrets = value if isinstance(value, tuple) else (value,)
    if name in _OF_ONES_OWN_MAKING and any(_short(name, secret) for secret in secrets):
        least = limits.settings.SECRET_MIN_CHARS
        fix = f"Fewer than {least} characters can be guessed: openssl rand -base64 32."
        return warn(name, detail, fix)
    return ok(name, detail)


_OF_ONES_OWN_MAKING = frozenset({"GATEWAY_ADMIN_TOKEN", "GATEWAY_STORE_KEY", "GATEWAY_TOKENS"})


def _short(name: str, secret: object) -> bool:
    if not isinstance(secret, SecretStr):
        return False
    text = secret.get_secret_value()
    if name == "GATEWAY_TOKENS":
        text = text.split(":", 2)[-1]  # behind name and role
    return len(text) < limits.settings.SECRET_MIN_CHARS


def _source(name: str, environ: Mapping[str, str], settings: Settings) -> str:
    if environ.get(name, "").strip():
        return "environment"
    return "stand-in" if settings.simulated and name in _STOOD_IN else "default"


_STOOD_IN = frozenset(
    {
        "OPENAI_API_KEY",
        "OPENAI_PROJECT_ID",
        "OPENAI_WEBHOOK_SECRET",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "GATEWAY_PUBLIC_URL",
        "GATEWAY_SIMULATED",
    }
)


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return text if text == "memory://" else f"set, {len(text)} characters"
    if isinstance(value, tuple):
        return " and ".join(_shown(one) for one in value) or "unset"
    return "unset" if value is None else str(value)


def agents_found(
    settings: Settings, environ: Mapping[str, str]
) -> tuple[AgentBook | None, list[Finding]]:
    """As `gateway serve` would find them, what they need included."""
    file = settings.agents or DEFAULT_AGENTS
    try:
        book = agents_of(settings)
    except FileError as error:
        return None, [fail("agents", str(error), "Correct the file at that place.")]
    names = ", ".join(sorted(book.agents))
    found = list(_missing(book, settings, environ))
    if all(one.name != "agents" for one in found):
        found.insert(0, ok("agents", f"{len(book.agents)} in {file.name}: {names}"))
    found += [warn("agents", text, "See docs/guide/agents.md.") for text in book.warnings]
    return book, found


def _missing(book: AgentBook, settings: Settings, environ: Mapping[str, str]) -> Iterable[Finding]:
    """Yield each reason for which `gateway serve` would refuse to start."""
    needs: list[tuple[str, Callable[[], object], str]] = [
        ("agents", lambda: require_sip(book, settings), "Correct the environment."),
        ("agents", lambda: require_operators(book, settings), "Correct the environment."),
        ("agents", lambda: Toolbox(book, environ), "Correct the environment, or the function."),
        ("store", lambda: require_store(settings), "Correct GATEWAY_STORE."),
        ("price list", lambda: prices_for(book, settings), "Correct the file at that place."),
    ]
    for name, need, fix in needs:
        try:
            need()
        except (SettingsError, FileError) as error:
            yield fail(name, str(error), fix)


def templates_found(settings: Settings) -> Finding:
    try:
        templates_of(settings)
    except FileError as error:
        return fail("templates", str(error), "Correct the template, or unset GATEWAY_TWIML_DIR.")
    return ok("templates", str(settings.twiml_dir or "the shipped ones"))


def folder_writable(settings: Settings) -> Finding:
    folder = settings.data_dir
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            return ok("data folder", str(folder))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        return warn(
            "data folder",
            f"{folder}: {why}",
            "Records are lost: mount a writable GATEWAY_DATA_DIR.",
        )


def webhook_secret_shaped(settings: Settings) -> Finding:
    if not settings.openai_webhook_secret:
        return skip("webhook secret", "unset: no SIP calls")
    try:
        OpenAISignature([one.get_secret_value() for one in settings.openai_webhook_secret])
    except SettingsError as error:
        return fail("webhook secret", str(error), "Copy it again, or gateway provision --webhook.")
    return ok("webhook secret", f"{len(settings.openai_webhook_secret)} that can be used")
