"""Checks of the settings that agents need, made at start and by `gateway doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.agents.file.loader import DEFAULT_AGENTS, load_agents
from gateway.agents.routing import AgentBook
from gateway.agents.texts.templates import Templates, load_templates
from gateway.errors import FileError, PriceFileError, SettingsError
from gateway.ops.billing.price_file import DEFAULT_PRICES, load_prices, shipped_prices
from gateway.ops.billing.prices import Prices
from gateway.settings import Settings


def agents_of(settings: Settings) -> AgentBook:
    """Raises AgentFileError."""
    with _named_by("GATEWAY_AGENTS", settings.agents):
        return load_agents(settings.agents or DEFAULT_AGENTS)


def checked_agents(settings: Settings) -> AgentBook:
    """Return the agents file's book, held against the settings that its agents need.

    Raises AgentFileError, SettingsError.
    """
    book = agents_of(settings)
    require_sip(book, settings)
    require_operators(book, settings)
    _import_what_calls_need(book)
    return book


def _import_what_calls_need(book: AgentBook) -> None:
    """Import now, at the start or on a thread, what would hold the event loop up during calls."""
    if any(agent.recording is not None for agent in book.agents.values()):
        import obstore.store  # noqa: PLC0415, F401 - 5 MB: not where nobody is recorded


def templates_of(settings: Settings) -> Templates:
    """Raises TemplateError."""
    with _named_by("GATEWAY_TWIML_DIR", settings.twiml_dir):
        return load_templates(settings.twiml_dir)


@contextmanager
def _named_by(setting: str, file: Path | None) -> Iterator[None]:
    """Add the setting's name to errors about unreadable files."""
    try:
        yield
    except FileError as error:
        if file is None or error.line is not None:
            raise
        problem = f"{error.problem}; {setting} names it"
        raise type(error)(error.file, None, error.key, problem) from None


def require_sip(book: AgentBook, settings: Settings) -> None:
    """Raises SettingsError."""
    by_sip = [agent.name for agent in book.agents.values() if agent.path == "sip"]
    if by_sip and settings.sip_uri is None:
        raise SettingsError(
            f"agent {by_sip[0]} has path: sip, which needs OPENAI_PROJECT_ID and "
            "OPENAI_WEBHOOK_SECRET: set both."
        )


def require_store(settings: Settings) -> None:
    """Raises SettingsError."""
    url = settings.store.get_secret_value()
    if url != "memory://":
        from gateway.ops.store.redis import client_at  # noqa: PLC0415 - many import no Redis

        client_at(url)


def require_operators(book: AgentBook, settings: Settings) -> None:
    """Require an admin token where agents ask operators for approvals. Raises SettingsError."""
    asked = [
        f"agents.{agent.name}.mcp.{label}.approval"
        for agent in book.agents.values()
        for label, server in agent.mcp.items()
        if server.asks_operators
    ]
    if asked and not settings.operator_tokens:
        raise SettingsError(
            f"{asked[0]} asks operators, who have no console without GATEWAY_TOKENS or "
            "GATEWAY_ADMIN_TOKEN: set one."
        )


def prices_for(book: AgentBook, settings: Settings) -> Prices:
    """A limit that could not be held, for want of a price, raises PriceFileError."""
    with _named_by("GATEWAY_PRICES", settings.prices):
        prices = shipped_prices() if settings.prices is None else load_prices(settings.prices)
    require_prices(book, settings, prices)
    return prices


def require_prices(book: AgentBook, settings: Settings, prices: Prices) -> None:
    """Require a price for each model with a limit on its cost. Raises PriceFileError."""
    for agent in book.agents.values():
        limited = agent.spend_usd is not None or settings.budget_usd is not None
        if limited and (key := unpriced(prices, agent.model)):
            raise PriceFileError(
                settings.prices or DEFAULT_PRICES,
                None,
                key,
                f"is missing: what agent {agent.name} may spend cannot be held without it",
            )


def unpriced(prices: Prices, model: str) -> str | None:
    """Return the key of what every call is billed for and has no price, or None."""
    price = prices.models.get(model)
    if price is None:
        return f"models.{model}"
    for kind, row in (("text", price.text), ("audio", price.audio)):
        for column, usd in (("in", row.in_), ("cached", row.cached), ("out", row.out)):
            if usd is None:
                return f"models.{model}.{kind}.{column}"
    return None
