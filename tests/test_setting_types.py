"""Types of settings: each value at its bounds, and just beyond them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from gateway import limits
from gateway.setting_types import (
    BaseUrl,
    DatabaseUrl,
    EventsUrl,
    Flag,
    ListenHost,
    Moment,
    Origins,
    Prefixes,
    PublicUrl,
    RecordingsUrl,
    Secret,
    SipHost,
    StoreUrl,
    as_flag,
    fitting,
    named_tokens,
    number,
    one_of,
    some_secrets,
    split_url,
)


def read(kind: Any, text: Any) -> Any:
    found = TypeAdapter(kind).validate_python(text)
    return found.get_secret_value() if isinstance(found, SecretStr) else found


def refused(kind: Any, text: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return True
    return False


WELL: list[tuple[Any, str, str]] = [
    (PublicUrl, "https://gateway.example.com/", "https://gateway.example.com"),
    (PublicUrl, "https://gateway.example.com:8443", "https://gateway.example.com:8443"),
    (PublicUrl, "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    (PublicUrl, "http://localhost", "http://localhost"),
    (PublicUrl, "http://[::1]:80", "http://[::1]:80"),
    (BaseUrl, "https://api.openai.com/v1/", "https://api.openai.com/v1"),
    (BaseUrl, "http://10.0.0.1:1", "http://10.0.0.1:1"),
    (StoreUrl, "memory://", "memory://"),
    (StoreUrl, "redis://:pass@host:6379/0", "redis://:pass@host:6379/0"),
    (StoreUrl, "rediss://host?x=1", "rediss://host?x=1"),
    (DatabaseUrl, "sqlite:///data/g.sqlite3", "sqlite:///data/g.sqlite3"),
    (DatabaseUrl, "postgres://u:p@h:5432/d", "postgres://u:p@h:5432/d"),
    (DatabaseUrl, "postgresql://h/d?sslmode=require", "postgresql://h/d?sslmode=require"),
    (EventsUrl, "https://crm.example.com/calls?key=abc", "https://crm.example.com/calls?key=abc"),
    (RecordingsUrl, "file:///var/sound/", "file:///var/sound"),
    (RecordingsUrl, "s3://buc/a/b-c_d.e", "s3://buc/a/b-c_d.e"),
    (RecordingsUrl, "az://" + "c" * 63, "az://" + "c" * 63),
    (SipHost, "sip.api.openai.com", "sip.api.openai.com"),
    (SipHost, "localhost:5061", "localhost:5061"),
    (ListenHost, "0.0.0.0", "0.0.0.0"),
    (ListenHost, "::", "::"),
    (Secret, "sk-!~", "sk-!~"),
]
WRONG: list[tuple[Any, str]] = [
    (PublicUrl, "http://gateway.example.com"),
    (PublicUrl, "https://gateway.example.com/path"),
    (PublicUrl, "https://gateway.example.com?x=1"),
    (PublicUrl, "wss://gateway.example.com"),
    (PublicUrl, "https://"),
    (BaseUrl, "ftp://api.openai.com"),
    (BaseUrl, "https://api.openai.com/v1?x"),
    (BaseUrl, "https://key@api.openai.com"),
    (StoreUrl, "memory:///"),
    (StoreUrl, "redis://host:0/0"),
    (StoreUrl, "redis://host:70000"),
    (StoreUrl, "redis://host/x"),
    (StoreUrl, "mysql://host"),
    (DatabaseUrl, "sqlite://"),
    (DatabaseUrl, "sqlite:///a?b"),
    (DatabaseUrl, "postgresql://h:0/d"),
    (DatabaseUrl, "postgresql://h/d d"),
    (EventsUrl, "https://user:pass@crm.example.com/calls"),
    (EventsUrl, "https://crm.example.com/calls?a b"),
    (EventsUrl, "ftp://crm.example.com"),
    (RecordingsUrl, "file://relative"),
    (RecordingsUrl, "s3://ab/../c"),
    (RecordingsUrl, "s3://b"),
    (RecordingsUrl, "s3://" + "c" * 64),
    (RecordingsUrl, "https://bucket"),
    (SipHost, "sip:api.openai.com"),
    (SipHost, "host:0"),
    (SipHost, "host:65536"),
    (ListenHost, "not a host"),
    (Secret, "two words"),
    (Secret, ""),
]


@pytest.mark.parametrize(("kind", "text", "value"), WELL)
def test_values_that_fit(kind: Any, text: str, value: str) -> None:
    assert read(kind, text) == value


@pytest.mark.parametrize(("kind", "text"), WRONG)
def test_values_that_do_not(kind: Any, text: str) -> None:
    assert refused(kind, text)


@pytest.mark.parametrize("text", ["https://a b", "https://a#b", "https://a\\b", "https://ä", "//"])
def test_what_is_no_url_has_no_parts(text: str) -> None:
    assert split_url(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        (" 10 ", 10),
        ("007", 7),
        ("11", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
        ("٣", None),
        ("1e1", None),
    ],
)
def test_whole_numbers(text: str, value: int | None) -> None:
    kind = Annotated[int, number(int, 0, 10)]
    assert refused(kind, text) if value is None else read(kind, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("2.5", 2.5), ("2.500001", None), ("0.4", None), ("nan", None)],
)
def test_numbers(text: str, value: float | None) -> None:
    kind = Annotated[float, number(float, 0.5, 2.5)]
    assert refused(kind, text) if value is None else read(kind, text) == value


def test_bounds_are_named_without_a_fraction_that_is_none() -> None:
    with pytest.raises(ValidationError, match=r"must be a number from 0\.5 to 10"):
        TypeAdapter(Annotated[float, number(float, 0.5, 10.0)]).validate_python("11")


def test_a_moment_without_an_offset_is_utc() -> None:
    assert read(Moment, " 2026-12-25T09:00 ") == datetime(2026, 12, 25, 9, tzinfo=UTC)
    tunis = timezone(timedelta(hours=1))
    assert read(Moment, "2026-12-25T09:00+01:00") == datetime(2026, 12, 25, 9, tzinfo=tunis)
    assert refused(Moment, "tomorrow")


def test_one_of_several_names() -> None:
    kind = Annotated[str, one_of("json", "console", "none")]
    assert read(kind, "JSON") == "json"
    with pytest.raises(ValidationError, match="must be json, console or none"):
        TypeAdapter(kind).validate_python("xml")


def test_a_form_has_its_own_sentence() -> None:
    kind = Annotated[str, fitting("proj_[a-z]+", "must be proj_ and letters")]
    assert read(kind, "proj_a") == "proj_a"
    with pytest.raises(ValidationError, match="must be proj_ and letters"):
        TypeAdapter(kind).validate_python("proj_1")


def test_secrets_during_a_rotation() -> None:
    kind = Annotated[tuple[str, ...], some_secrets("whsec_")]
    assert read(kind, "whsec_a, whsec_b") == ("whsec_a", "whsec_b")
    for text in ("", "whsec_", "whsec_a,", "whsec_a,b", "whsec_a b"):
        assert refused(kind, text)


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("OFF", False)]
)
def test_flags(text: str, value: bool) -> None:
    assert as_flag(text) is value
    assert read(Flag, text) is value


def test_a_word_that_is_no_flag() -> None:
    assert refused(Flag, "maybe")
    assert as_flag(None) is None


def test_origins_are_of_the_web_or_of_this_machine() -> None:
    found = read(Origins, "https://www.example.com/, HTTP://localhost:3000,")
    assert found == ("https://www.example.com", "http://localhost:3000")
    assert read(Origins, "") == ()
    for text in ("http://www.example.com", "https://a.example/path", "ftp://a.example", "www"):
        assert refused(Origins, text)
    most = limits.phone.ORIGINS_MAX
    many = [f"https://{n}.example" for n in range(most + 1)]
    assert len(read(Origins, ",".join(many[:most]))) == most
    assert refused(Origins, ",".join(many))


def test_prefixes_of_numbers() -> None:
    assert read(Prefixes, "+1, +44,") == ("+1", "+44")
    for text in ("44", "+0", "+12345678", "+1a"):
        assert refused(Prefixes, text)
    most = limits.agents.DIAL_COUNTRIES_MAX
    assert refused(Prefixes, ",".join(["+1"] * (most + 1)))
    assert len(read(Prefixes, ",".join(["+1"] * most))) == most


# --- Tokens with names ---

TOKEN = "t" * 24


def test_named_tokens_in_the_variable_or_in_a_file(tmp_path: Path) -> None:
    wanted = (f"anna:admin:{TOKEN}", f"ben:viewer:{TOKEN}:x")
    assert named_tokens(", ".join(wanted)) == wanted
    file = tmp_path / "tokens"
    file.write_text("# who\n" + "\n\n".join(wanted) + "\n", "utf-8")
    assert named_tokens(f"file://{file}") == wanted
    file.write_text("# nobody\n", "utf-8")
    assert named_tokens(f"file://{file}") == ()
    with pytest.raises(ValueError, match="cannot be read"):
        named_tokens(f"file://{tmp_path}/none")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        f"anna:owner:{TOKEN}",
        "anna:admin:",
        f"an na:admin:{TOKEN}",
        f"{'a' * 65}:admin:{TOKEN}",
        f"anna:admin:{TOKEN},anna:viewer:{TOKEN}",
        ",".join(f"n{n}:viewer:{TOKEN}" for n in range(limits.api.TOKENS_GIVEN_MAX + 1)),
    ],
)
def test_tokens_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be NAME:ROLE:TOKEN"):
        named_tokens(text)


def test_as_many_tokens_as_are_allowed() -> None:
    most = limits.api.TOKENS_GIVEN_MAX
    assert len(named_tokens(",".join(f"n{n}:viewer:{TOKEN}" for n in range(most)))) == most
