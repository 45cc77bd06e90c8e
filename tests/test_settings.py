"""The operator's environment: what is taken, what is refused and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import limits
from gateway.errors import SettingsError
from gateway.settings import (
    SIMULATED_ACCOUNT_SID,
    SIMULATED_API_KEY,
    SIMULATED_AUTH_TOKEN,
    Settings,
    load_settings,
    variables,
)

REAL = {
    "OPENAI_API_KEY": "sk-real",
    "TWILIO_ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
    "TWILIO_AUTH_TOKEN": "primary, secondary",
    "GATEWAY_PUBLIC_URL": "https://gw.example.com",
}
INTERFACE = """
    OPENAI_API_KEY OPENAI_BASE_URL OPENAI_PROJECT_ID OPENAI_SIP_HOST OPENAI_WEBHOOK_SECRET
    TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_BASE_URL GATEWAY_PUBLIC_URL GATEWAY_HOST
    GATEWAY_PORT GATEWAY_AGENTS GATEWAY_TWIML_DIR GATEWAY_PRICES GATEWAY_BUDGET_USD
    GATEWAY_MAX_CALLS GATEWAY_OVERFLOW GATEWAY_SIP_ALLOW_RTP GATEWAY_STORE GATEWAY_DATA_DIR
    GATEWAY_DATABASE GATEWAY_RECORDINGS GATEWAY_ADMIN_TOKEN GATEWAY_DRAIN_SECONDS GATEWAY_LOG_FORMAT
    GATEWAY_LOG_LEVEL GATEWAY_SIMULATED GATEWAY_SIMULATED_TIME GATEWAY_TEXT_COUNTRIES
    GATEWAY_STORE_KEY GATEWAY_MAX_CALLS_PER_CALLER GATEWAY_DIAL_COUNTRIES GATEWAY_RETAIN_DAYS
    GATEWAY_TOKENS GATEWAY_EVENTS_URL GATEWAY_EVENTS_SECRET GATEWAY_PHONE_ORIGINS
"""


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ)
    return str(refused.value)


def test_every_name_of_the_interface_stands_once_with_a_sentence() -> None:
    assert sorted(variables()) == sorted(INTERFACE.split())
    for field in Settings.model_fields.values():
        assert field.description is not None
        assert field.description.endswith(".")


def test_the_least_that_serves() -> None:
    settings = load_settings(REAL)
    assert not settings.simulated
    assert [token.get_secret_value() for token in settings.twilio_auth_token] == [
        "primary",
        "secondary",
    ]
    assert settings.media_url == "wss://gw.example.com/twilio/media"
    assert settings.realtime_url == "wss://api.openai.com/v1/realtime"
    assert (settings.host, settings.port, settings.max_calls) == ("0.0.0.0", 8080, 100)
    assert (settings.drain_s, settings.overflow, settings.log_level) == (3600, "busy", "info")
    assert settings.store.get_secret_value() == "memory://"
    assert (settings.agents, settings.twiml_dir, settings.admin_token) == (None, None, None)


def test_simulated_stands_in_for_what_is_missing_and_only_for_that() -> None:
    settings = load_settings({"GATEWAY_PORT": "9000", "OPENAI_API_KEY": "sk-mine"}, simulated=True)
    assert settings.simulated
    assert settings.openai_api_key.get_secret_value() == "sk-mine"
    assert settings.twilio_account_sid == SIMULATED_ACCOUNT_SID
    assert [t.get_secret_value() for t in settings.twilio_auth_token] == [SIMULATED_AUTH_TOKEN]
    assert settings.public_url == "http://127.0.0.1:9000"
    assert settings.media_url == "ws://127.0.0.1:9000/twilio/media"


@pytest.mark.parametrize("flag", ["1", "true", "YES", "on"])
def test_simulated_by_the_environment(flag: str) -> None:
    settings = load_settings({"GATEWAY_SIMULATED": flag})
    assert settings.simulated
    assert settings.openai_api_key.get_secret_value() == SIMULATED_API_KEY


def test_the_argument_wins_over_the_environment() -> None:
    assert load_settings({"GATEWAY_SIMULATED": "0"}, simulated=True).simulated


def test_empty_is_unset() -> None:
    settings = load_settings(REAL | {"GATEWAY_PORT": "", "GATEWAY_LOG_FORMAT": " "})
    assert (settings.port, settings.log_format) == (8080, None)
    assert "GATEWAY_PUBLIC_URL is not set" in refusal(REAL | {"GATEWAY_PUBLIC_URL": ""})


def test_other_programs_variables_are_none_of_our_business() -> None:
    assert load_settings(REAL | {"PATH": "/bin", "OPENAI_ORG_ID": "x", "gateway_x": "1"})


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "1234")
    monkeypatch.setenv("GATEWAY_HOST", "10.0.0.1")
    settings = load_settings(REAL)
    assert (settings.port, settings.host) == (8080, "0.0.0.0")


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings(REAL).port = 1  # type: ignore[misc] # what is tested


def test_operators_have_names_roles_and_tokens_of_any_length() -> None:
    """As the admin token, of which `doctor` says that it is short."""
    settings = load_settings(
        REAL
        | {"GATEWAY_ADMIN_TOKEN": "one", "GATEWAY_TOKENS": "wall:viewer:two, desk:operator:a:b"}
    )
    assert settings.operator_tokens == [
        ("admin", "admin", "one"),
        ("wall", "viewer", "two"),
        ("desk", "operator", "a:b"),
    ]


def test_no_secret_is_shown() -> None:
    settings = load_settings(
        REAL
        | {
            "GATEWAY_STORE": "redis://:hidden-1@cache:6379/0",
            "GATEWAY_ADMIN_TOKEN": "hidden-2",
            "OPENAI_WEBHOOK_SECRET": "whsec_hidden3",
        }
    )
    shown = f"{settings!r} {settings} {settings.model_dump_json()}"
    assert not [word for word in ("hidden", "sk-real", "primary", "secondary") if word in shown]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {},
            "OPENAI_API_KEY, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and GATEWAY_PUBLIC_URL are not "
            "set: set what is missing, or GATEWAY_SIMULATED=1 to practise without accounts.",
        ),
        (
            {name: value for name, value in REAL.items() if name != "OPENAI_API_KEY"},
            "OPENAI_API_KEY is not set: set what is missing, or GATEWAY_SIMULATED=1 to practise "
            "without accounts.",
        ),
        (
            REAL | {"GATEWAY_PROT": "1"},
            "GATEWAY_PROT (did you mean GATEWAY_PORT?) is not known to the gateway: correct or "
            "remove what is unknown.",
        ),
        (
            REAL | {"GATEWAY_XYZZY": "1", "GATEWAY_MAX_CALL": "2"},
            "GATEWAY_MAX_CALL (did you mean GATEWAY_MAX_CALLS?) and GATEWAY_XYZZY are not known "
            "to the gateway: correct or remove what is unknown.",
        ),
        (
            REAL | {"GATEWAY_PORT": "tcp://10.0.0.1:8080"},
            "GATEWAY_PORT comes from a Kubernetes Service named gateway: set enableServiceLinks: "
            "false in the pod.",
        ),
        (
            REAL | {"GATEWAY_SERVICE_HOST": "10.0.0.1"},
            "GATEWAY_SERVICE_HOST comes from a Kubernetes Service named gateway: set "
            "enableServiceLinks: false in the pod.",
        ),
        (
            REAL | {"GATEWAY_PUBLIC_URL": "http://127.0.0.1:8080"},
            "GATEWAY_PUBLIC_URL must be https:// unless GATEWAY_SIMULATED=1: Twilio opens a media "
            "stream over TLS only.",
        ),
        (
            REAL | {"GATEWAY_PORT": "0", "GATEWAY_OVERFLOW": "queue"},
            "GATEWAY_PORT must be a whole number from 1 to 65535; GATEWAY_OVERFLOW must be sip, "
            "human or busy.",
        ),
        (
            {"GATEWAY_SIMULATED": "1", "GATEWAY_PORT": "eighty"},
            "GATEWAY_PORT must be a whole number from 1 to 65535.",
        ),
        (
            REAL | {"GATEWAY_BUDGET_USD": "-1"},
            "GATEWAY_BUDGET_USD must be a number from 0.01 to 1000000.",
        ),
        (REAL | {"GATEWAY_SIMULATED": "maybe"}, "GATEWAY_SIMULATED must be 1 or 0."),
        (
            REAL | {"GATEWAY_SIMULATED_TIME": "2026-12-25T09:00"},
            "GATEWAY_SIMULATED_TIME needs GATEWAY_SIMULATED=1: real calls have the real time.",
        ),
        (
            {"GATEWAY_SIMULATED": "1", "GATEWAY_SIMULATED_TIME": "Christmas"},
            "GATEWAY_SIMULATED_TIME must be a time like 2026-12-25T09:00+01:00.",
        ),
    ],
)
def test_sentences(environ: dict[str, str], sentence: str) -> None:
    assert refusal(environ) == sentence


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        *(
            (
                "GATEWAY_PUBLIC_URL",
                url,
                "must be https:// and a host with nothing behind it, like "
                "https://gateway.example.com",
            )
            for url in (
                "gw.example.com",
                "http://gw.example.com",
                "ftp://gw.example.com",
                "https://",
                "https://gw.example.com/twilio",
                "https://gw.example.com?x=1",
                "https://gw.example.com#x",
                "https://gw.example.com?",
                "https://user:pass@gw.example.com",
                "https://gw.example.com:99999",
                "https://gw.example.com:",
                "https://gw example.com",
                "https://gw.exa\nmple.com",
                "https://gw.exämple.com",
                "https://[::1",
            )
        ),
        ("GATEWAY_PORT", "65536", "must be a whole number from 1 to 65535"),
        ("GATEWAY_PORT", "80.5", "must be a whole number from 1 to 65535"),
        ("GATEWAY_PORT", "٨٠", "must be a whole number from 1 to 65535"),
        ("GATEWAY_MAX_CALLS", "0", "must be a whole number from 1 to 10000"),
        ("GATEWAY_DRAIN_SECONDS", "-1", "must be a number from 0 to 86400"),
        ("GATEWAY_DRAIN_SECONDS", "nan", "must be a number from 0 to 86400"),
        ("GATEWAY_LOG_FORMAT", "xml", "must be json or console"),
        ("GATEWAY_LOG_LEVEL", "loud", "must be debug, info, warning or error"),
        (
            "GATEWAY_STORE",
            "postgres://x",
            "must be memory:// or redis://HOST:PORT/DB (rediss:// for TLS)",
        ),
        ("GATEWAY_HOST", "all of them", "must be an address to listen on"),
        ("GATEWAY_ADMIN_TOKEN", "two words", "must be one secret without blanks"),
        *(
            (
                "GATEWAY_TOKENS",
                wrong,
                "must be NAME:ROLE:TOKEN, separated by commas: each name once, the role viewer, "
                "operator or admin",
            )
            for wrong in ("t0ken", "wall:t0ken", "wall:god:t0ken", "wall:viewer:", "a b:viewer:t")
        ),
        ("OPENAI_API_KEY", "sk-é", "must be one secret without blanks"),
        ("OPENAI_PROJECT_ID", "p_1", "must be an OpenAI project id, like proj_abc123"),
        ("OPENAI_SIP_HOST", "sip:x", "must be a host name, like sip.api.openai.com"),
        ("OPENAI_SIP_HOST", "sip.x:99999", "must be a host name, like sip.api.openai.com"),
        (
            "GATEWAY_STORE",
            "redis://cache:99999/0",
            "must be memory:// or redis://HOST:PORT/DB (rediss:// for TLS)",
        ),
        (
            "TWILIO_BASE_URL",
            "https://api.example:0",
            "must be an http(s):// address without a query, such as the default",
        ),
        (
            "OPENAI_WEBHOOK_SECRET",
            "whsec_a,sec_b",
            "must be one or several secrets that start with whsec_, separated by commas",
        ),
        ("TWILIO_AUTH_TOKEN", "a,,b", "must be one or several secrets, separated by commas"),
        ("TWILIO_ACCOUNT_SID", "AC123", "must be AC and 32 hexadecimal digits"),
        (
            "OPENAI_BASE_URL",
            "ws://x/v1",
            "must be an http(s):// address without a query, such as the default",
        ),
        (
            "TWILIO_BASE_URL",
            "https://api.twilio.com?x",
            "must be an http(s):// address without a query, such as the default",
        ),
    ],
)
def test_values_that_are_refused(name: str, value: str, problem: str) -> None:
    sentence = refusal(REAL | {name: value})
    assert sentence == f"{name} {problem}."


@pytest.mark.parametrize(
    ("name", "value", "field", "taken"),
    [
        ("GATEWAY_PUBLIC_URL", "https://gw.example.com/", "public_url", "https://gw.example.com"),
        ("GATEWAY_PUBLIC_URL", "https://gw:8443", "public_url", "https://gw:8443"),
        ("GATEWAY_PUBLIC_URL", "https://[::1]:8443", "public_url", "https://[::1]:8443"),
        ("GATEWAY_DIAL_COUNTRIES", "+1, +44,", "dial_countries", ("+1", "+44")),
        (
            "GATEWAY_PHONE_ORIGINS",
            "https://www.example.com/, HTTP://localhost:8123,",
            "phone_origins",
            ("https://www.example.com", "http://localhost:8123"),
        ),
        ("GATEWAY_LOG_FORMAT", "JSON", "log_format", "json"),
        ("GATEWAY_DRAIN_SECONDS", "0", "drain_s", 0.0),
        ("GATEWAY_HOST", "::", "host", "::"),
        (
            "OPENAI_BASE_URL",
            "http://127.0.0.1:9/v1/",
            "realtime_url",
            "ws://127.0.0.1:9/v1/realtime",
        ),
        (
            "OPENAI_BASE_URL",
            "https://eu.api.openai.com/v1",
            "realtime_url",
            "wss://eu.api.openai.com/v1/realtime",
        ),
    ],
)
def test_values_that_are_taken(name: str, value: str, field: str, taken: object) -> None:
    assert getattr(load_settings(REAL | {name: value}), field) == taken


@pytest.mark.parametrize(
    "value", ["www.example.com", "https://www.example.com/shop", "http://www.example.com", "*"]
)
def test_a_site_is_an_origin(value: str) -> None:
    assert "must be origins like https://" in refusal(REAL | {"GATEWAY_PHONE_ORIGINS": value})


def test_not_every_site_can_be_named() -> None:
    many = ",".join(f"https://a{n}.example.com" for n in range(limits.phone.ORIGINS_MAX + 1))
    assert "at most" in refusal(REAL | {"GATEWAY_PHONE_ORIGINS": many})


@given(st.sampled_from(INTERFACE.split()), st.text())
def test_any_value_is_taken_or_refused_by_name(name: str, value: str) -> None:
    try:
        load_settings(REAL | {name: value})
        sentence = f"{name}."
    except SettingsError as error:
        sentence = str(error)
    assert name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_simulated_time_without_an_offset_is_utc() -> None:
    environ = {"GATEWAY_SIMULATED": "1", "GATEWAY_SIMULATED_TIME": "2026-12-25T09:00"}
    at = load_settings(environ).simulated_time
    assert at is not None
    assert at.isoformat() == "2026-12-25T09:00:00+00:00"
