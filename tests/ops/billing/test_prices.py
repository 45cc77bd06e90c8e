"""Prices against sums done by hand, from the vendors' published prices."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import PriceFileError
from gateway.ops.billing.price_file import DEFAULT_PRICES, load_prices
from gateway.ops.billing.prices import KINDS, Charge
from gateway.protocols.realtime_server import TranscriptionUsage, Usage

PRICES = load_prices(DEFAULT_PRICES)

# The example of the vendor's reference, as it comes over the wire.
WIRE = b"""{"total_tokens":253,"input_tokens":132,"output_tokens":121,
"input_token_details":{"text_tokens":119,"audio_tokens":13,"image_tokens":0,"cached_tokens":64,
"cached_tokens_details":{"text_tokens":64,"audio_tokens":0,"image_tokens":0}},
"output_token_details":{"text_tokens":30,"audio_tokens":91}}"""


def usage(text: str | bytes) -> Usage:
    return msgspec.json.decode(text, type=Usage)


def usd(charge: Charge) -> dict[str, str]:
    return {kind: format(amount.normalize(), "f") for kind, amount in charge.usd.items()}


def test_the_vendors_example() -> None:
    charge = PRICES.of_response("gpt-realtime-2.1", usage(WIRE))
    assert usd(charge) == {
        "text_cached": "0.0000256",  # 64 at 0.40
        "text_in": "0.00022",  # 119 - 64 = 55 at 4
        "audio_in": "0.000416",  # 13 at 32
        "text_out": "0.00072",  # 30 at 24
        "audio_out": "0.005824",  # 91 at 64
    }
    assert sum(charge.usd.values()) == Decimal("0.0072056")
    assert charge.unpriced == []


def test_a_photo_and_a_long_prompt_on_the_small_model() -> None:
    """Every kind of input, each partly cached; output has no images."""
    wire = """{"input_token_details":{"text_tokens":10000,"audio_tokens":6000,"image_tokens":1000,
    "cached_tokens":13100,"cached_tokens_details":
    {"text_tokens":8000,"audio_tokens":5000,"image_tokens":100}},
    "output_token_details":{"text_tokens":200,"audio_tokens":1200}}"""
    charge = PRICES.of_response("gpt-realtime-2.1-mini", usage(wire))
    assert usd(charge) == {
        "text_cached": "0.00048",  # 8000 at 0.06
        "text_in": "0.0012",  # 2000 at 0.60
        "audio_cached": "0.0015",  # 5000 at 0.30
        "audio_in": "0.01",  # 1000 at 10
        "image_cached": "0.000008",  # 100 at 0.08
        "image_in": "0.00072",  # 900 at 0.80
        "text_out": "0.00048",  # 200 at 2.40
        "audio_out": "0.024",  # 1200 at 20
    }


@pytest.mark.parametrize(
    ("model", "listening", "speaking"),
    [("gpt-realtime-2.1", "0.0192", "0.0768"), ("gpt-realtime-2.1-mini", "0.006", "0.024")],
)
def test_a_minute_of_listening_and_one_of_speaking(
    model: str, listening: str, speaking: str
) -> None:
    """600 tokens a minute in, 1200 out."""
    wire = (
        '{"input_token_details":{"audio_tokens":600},"output_token_details":{"audio_tokens":1200}}'
    )
    charge = PRICES.of_response(model, usage(wire))
    assert usd(charge) == {"audio_in": listening, "audio_out": speaking}


def test_the_first_large_model_writes_cheaper() -> None:
    wire = '{"output_token_details":{"text_tokens":1000000}}'
    assert usd(PRICES.of_response("gpt-realtime", usage(wire))) == {"text_out": "16"}
    assert usd(PRICES.of_response("gpt-realtime-2", usage(wire))) == {"text_out": "24"}


def test_transcripts_by_the_minute_and_by_tokens() -> None:
    minute = TranscriptionUsage("duration", 90.0)
    tokens = TranscriptionUsage("tokens", 0.0, 600, 200)
    assert usd(PRICES.of_transcript("gpt-transcribe", minute)) == {"transcription": "0.00675"}
    # 600 at 2.50 and 200 at 10, per million
    assert usd(PRICES.of_transcript("gpt-4o-transcribe", tokens)) == {"transcription": "0.0035"}
    assert usd(PRICES.of_transcript("gpt-4o-transcribe", minute)) == {"transcription": "0.009"}


def test_minutes_of_the_carrier() -> None:
    assert usd(PRICES.of_minutes("media-streams", "inbound", 3)) == {"carrier": "0.0255"}
    assert PRICES.of_minutes("sip", "outbound", 1).unpriced == ["carrier"]
    assert PRICES.of_minutes("pigeon", "inbound", 1).unpriced == ["carrier"]
    assert PRICES.of_minutes("sip", "inbound", 0) == Charge()
    assert PRICES.of_minutes("browser", "inbound", 3) == Charge()


def test_what_has_no_price_is_told_and_not_guessed() -> None:
    charge = PRICES.of_response("gpt-imagined", usage(WIRE))
    assert (charge.usd, set(charge.unpriced)) == (
        {},
        {"text_in", "text_cached", "audio_in", "text_out", "audio_out"},
    )
    minute = TranscriptionUsage("duration", 60.0)
    assert PRICES.of_transcript("gpt-4o-mini-transcribe", minute).unpriced == ["transcription"]
    assert PRICES.of_transcript("", minute).unpriced == ["transcription"]


def test_counts_without_their_kinds_have_no_price() -> None:
    bare = usage('{"total_tokens":9,"input_tokens":5,"output_tokens":4}')
    assert PRICES.of_response("gpt-realtime-2.1", bare) == Charge({}, ["no_details"])
    for one in ('{"input_tokens":1}', '{"output_tokens":1}'):
        assert PRICES.of_response("gpt-realtime-2.1", usage(one)) == Charge({}, ["no_details"])
    assert PRICES.of_response("gpt-realtime-2.1", usage("{}")) == Charge()


count = st.integers(0, 10**9)


@given(st.lists(count, min_size=8, max_size=8))
def test_cached_tokens_are_billed_once(n: list[int]) -> None:
    """Whatever a server counts: no negative bill, and never more than nothing had been cached."""
    counts = dict(zip(("text_tokens", "audio_tokens", "image_tokens"), n, strict=False))
    cached = dict(zip(("text_tokens", "audio_tokens", "image_tokens"), n[3:], strict=False))
    out = {"text_tokens": n[6], "audio_tokens": n[7]}
    plain = {"input_token_details": counts, "output_token_details": out}
    shared = {**plain, "input_token_details": {**counts, "cached_tokens_details": cached}}
    most, less = (
        PRICES.of_response("gpt-realtime-2.1", msgspec.convert(u, Usage)) for u in (plain, shared)
    )
    assert all(amount > 0 for amount in less.usd.values())
    assert sum(less.usd.values()) <= sum(most.usd.values())
    assert set(less.usd) <= set(KINDS)


# --- The file ---


def test_the_shipped_list_has_every_model_that_is_sold_today() -> None:
    assert {"gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime"} <= set(PRICES.models)
    for price in PRICES.models.values():
        rows = (price.text, price.audio)
        assert all(None not in (row.in_, row.cached, row.out) for row in rows)


def test_a_price_is_what_stands_there_to_the_last_digit(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text('as_of: 2026-12-01\ncarrier: {sip: {outbound: "0.10000000000000000001"}}')
    charge = load_prices(file).of_minutes("sip", "outbound", 1)
    assert usd(charge) == {"carrier": "0.10000000000000000001"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("models: {}", "as_of"),
        ("as_of: soon", ":1: as_of"),
        ("as_of: 2026-12-01\ncarrier:\n  sip: {inbound: -1}", ":3: carrier.sip.inbound"),
        ("as_of: 2026-12-01\ncarrier:\n  sip: {inbound: .nan}", ":3: carrier.sip.inbound"),
        ("as_of: 2026-12-01\ntranscription: {a: {inn: 1}}", ":2: transcription.a.inn"),
        ("as_of: 2026-12-01\ntranscription: {a: {in: dear}}", ":2: transcription.a.in"),
        ("as_of: 2026-12-01\nas_of: 2026-12-02", ":2: as_of"),
        ("just words", "prices.yaml"),
        ("", "prices.yaml"),
        ("a: [", "prices.yaml:1"),
    ],
)
def test_a_mistake_has_its_place(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(PriceFileError) as error:
        load_prices(file)
    assert place in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"nowhere\.yaml: cannot be read"):
        load_prices(tmp_path / "nowhere.yaml")
