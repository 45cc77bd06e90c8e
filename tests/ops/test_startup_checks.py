"""Checks at start: what agents need of the settings is missing with a sentence that names it."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import obstore.store
import pytest
import yaml

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route
from gateway.errors import AgentFileError, PriceFileError, SettingsError, TemplateError
from gateway.ops.billing.price_file import shipped_prices
from gateway.ops.billing.prices import Prices
from gateway.ops.startup_checks import (
    agents_of,
    checked_agents,
    prices_for,
    require_operators,
    require_prices,
    require_sip,
    require_store,
    templates_of,
    unpriced,
)
from gateway.settings import Settings, load_settings

REAL = {
    "OPENAI_API_KEY": "sk-1",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "GATEWAY_PUBLIC_URL": "https://gateway.example.com",
}
SIP = {"OPENAI_PROJECT_ID": "proj_a", "OPENAI_WEBHOOK_SECRET": "whsec_YQ=="}
ASKS = {
    "shop": {"via": "openai", "url": "https://shop.example.com/", "approval": "operator"},
}


def settings(**environ: str) -> Settings:
    return load_settings(REAL | environ)


def book(**fields: Any) -> AgentBook:
    agent = Agent.model_validate({"name": "desk", "instructions": "x"} | fields)
    return AgentBook({"desk": agent}, (Route(to="*", agent="desk"),))


def agents_file(tmp_path: Path, **fields: Any) -> str:
    file = tmp_path / "agents.yaml"
    desk = {"instructions": "Be kind."} | fields
    routes = [{"to": "*", "agent": "desk"}]
    file.write_text(yaml.safe_dump({"agents": {"desk": desk}, "routes": routes}), "utf-8")
    return str(file)


def test_without_a_file_it_is_the_shipped_one() -> None:
    assert agents_of(settings()).agents


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.yaml")
    with pytest.raises(AgentFileError, match=r"none\.yaml: cannot be read: .*; GATEWAY_AGENTS"):
        agents_of(settings(GATEWAY_AGENTS=missing))
    with pytest.raises(TemplateError, match="GATEWAY_TWIML_DIR names it"):
        templates_of(settings(GATEWAY_TWIML_DIR=missing))
    with pytest.raises(PriceFileError, match="GATEWAY_PRICES names it"):
        prices_for(book(), settings(GATEWAY_PRICES=missing))


def test_a_mistake_in_the_file_has_its_line_and_not_the_setting(tmp_path: Path) -> None:
    file = agents_file(tmp_path, voice=5)
    with pytest.raises(AgentFileError) as refused:
        agents_of(settings(GATEWAY_AGENTS=file))
    assert "GATEWAY_AGENTS" not in str(refused.value)


@pytest.mark.parametrize("recorded", [True, False])
def test_what_recorded_calls_need_is_imported_at_the_start_and_not_where_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    monkeypatch.setattr(obstore, "store", obstore.store)  # as it is, after the test
    monkeypatch.delitem(sys.modules, "obstore.store")
    more = {"recording": {"consent": "This call is recorded."}} if recorded else {}
    checked_agents(settings(GATEWAY_AGENTS=agents_file(tmp_path, **more)))
    assert ("obstore.store" in sys.modules) == recorded


@pytest.mark.parametrize("missing", SIP)
def test_the_sip_path_needs_project_and_secret(missing: str) -> None:
    by_sip = book(path="sip")
    require_sip(by_sip, settings(**SIP))
    require_sip(book(), settings())
    with pytest.raises(SettingsError, match="agent desk has path: sip"):
        require_sip(by_sip, settings(**{name: SIP[name] for name in SIP if name != missing}))


def test_who_asks_operators_needs_a_token_for_them() -> None:
    asks = book(mcp=ASKS)
    require_operators(asks, settings(GATEWAY_ADMIN_TOKEN="t" * 24))
    require_operators(book(), settings())
    with pytest.raises(SettingsError, match=r"agents\.desk\.mcp\.shop\.approval asks operators"):
        require_operators(asks, settings())
    nobody = {"shop": ASKS["shop"] | {"approval": "none"}}
    require_operators(book(mcp=nobody), settings())


def test_a_book_is_held_against_the_settings(tmp_path: Path) -> None:
    file = agents_file(tmp_path, path="sip")
    with pytest.raises(SettingsError, match="path: sip"):
        checked_agents(settings(GATEWAY_AGENTS=file))
    assert checked_agents(settings(GATEWAY_AGENTS=file, **SIP)).agents["desk"].path == "sip"


def test_a_store_is_looked_at_without_a_connection() -> None:
    require_store(settings())
    require_store(settings(GATEWAY_STORE="redis://127.0.0.1:1/0"))
    with pytest.raises(SettingsError):
        require_store(settings(GATEWAY_STORE="redis://127.0.0.1:1/0?no_such_option=1"))


# --- Prices ---


def without(prices: Prices, model: str, kind: str, column: str) -> Prices:
    price = prices.models[model]
    row = getattr(price, kind).model_copy(update={column: None})
    return prices.model_copy(
        update={"models": {**prices.models, model: price.model_copy(update={kind: row})}}
    )


MODEL = "gpt-realtime-2.1"


def test_a_shipped_model_has_every_price() -> None:
    assert unpriced(shipped_prices(), MODEL) is None
    assert unpriced(shipped_prices(), "gpt-own") == "models.gpt-own"


@pytest.mark.parametrize("kind", ["text", "audio"])
@pytest.mark.parametrize(("column", "key"), [("in_", "in"), ("cached", "cached"), ("out", "out")])
def test_the_price_that_is_missing_is_named(kind: str, column: str, key: str) -> None:
    prices = without(shipped_prices(), MODEL, kind, column)
    assert unpriced(prices, MODEL) == f"models.{MODEL}.{kind}.{key}"


def test_a_price_of_nothing_is_a_price() -> None:
    price = shipped_prices().models[MODEL]
    free = price.model_copy(update={"text": price.text.model_copy(update={"in_": Decimal(0)})})
    prices = shipped_prices().model_copy(update={"models": {MODEL: free}})
    assert unpriced(prices, MODEL) is None


@pytest.mark.parametrize(
    ("agent", "environ", "limited"),
    [
        ({"spend_usd": 1.0}, {}, True),
        ({}, {"GATEWAY_BUDGET_USD": "10"}, True),
        ({}, {}, False),
    ],
)
def test_a_limit_needs_prices(
    agent: dict[str, Any], environ: dict[str, str], limited: bool
) -> None:
    unknown = book(model="gpt-own", **agent)
    given = settings(**environ)
    require_prices(book(**agent), given, shipped_prices())
    if not limited:
        return require_prices(unknown, given, shipped_prices())
    with pytest.raises(PriceFileError, match=r"models\.gpt-own: is missing: what agent desk"):
        require_prices(unknown, given, shipped_prices())
    return None


def test_a_book_that_asks_operators_is_held_against_the_settings(tmp_path: Path) -> None:
    file = agents_file(tmp_path, mcp=ASKS)
    with pytest.raises(SettingsError, match="asks operators"):
        checked_agents(settings(GATEWAY_AGENTS=file))


def test_the_list_of_prices_that_lacks_one_is_named(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    for given, name in ((settings(GATEWAY_PRICES=str(own)), str(own)), (settings(), "prices")):
        with pytest.raises(PriceFileError, match=r"models\.gpt-own") as refused:
            require_prices(book(model="gpt-own", spend_usd=1.0), given, shipped_prices())
        assert name in str(refused.value.file)
