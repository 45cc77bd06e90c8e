"""Destinations of transfers, the fallback, and keypad entry."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.config.transfers import (
    PARTY_FORM,
    Fallback,
    KeypadTransfer,
    TransferDestination,
)

PARTIES = ["+1234567", "+15550100", "+123456789012345", "sip:desk@example.com", "sips:a@b"]
NO_PARTIES = [
    "+123456",
    "+1234567890123456",
    "+0123456789",
    "911",
    "15550100",
    "tel:+15550100",
    "sip:example.com",
    "sip:a b@example.com",
    "sip:a@b@c",
    "sip:<a@b>",
    " +15550100",
    "+15550100\n",
    "",
]


@pytest.mark.parametrize("party", PARTIES)
def test_who_can_be_called(party: str) -> None:
    assert PARTY_FORM.fullmatch(party)
    assert TransferDestination(to=party).to == Fallback(to=party).to == party


@pytest.mark.parametrize("party", NO_PARTIES)
def test_who_cannot_be_called(party: str) -> None:
    assert not PARTY_FORM.fullmatch(party)
    for part in (TransferDestination, Fallback):
        with pytest.raises(ValidationError):
            part(to=party)


def test_a_sip_address_is_as_long_as_the_carrier_takes() -> None:
    longest = "sip:a@" + "b" * 248
    assert TransferDestination(to=longest).to == longest
    with pytest.raises(ValidationError):
        TransferDestination(to=longest + "b")


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({}, "to"),
        ({"to": "+15550100", "queue": "sales"}, "to"),
        ({"queue": "sales", "mode": "warm"}, "mode"),
    ],
)
def test_a_destination_is_one_and_a_queue_is_not_briefed(fields: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TransferDestination(**fields)
    (details,) = refused.value.errors()
    assert details["ctx"]["key"] == key


def test_warm_and_cold() -> None:
    assert not TransferDestination(queue="sales").warm
    assert not TransferDestination(to="+15550100").warm
    assert TransferDestination(to="+15550100", mode="warm").warm


def test_a_fallback_is_a_person_or_a_queue_or_voicemail_alone() -> None:
    assert Fallback(voicemail=True).to is None
    assert Fallback(queue="q" * 64).queue == "q" * 64
    with pytest.raises(ValidationError, match="name one of them"):
        Fallback(to="+15550100", queue="sales")
    with pytest.raises(ValidationError):
        Fallback(queue="q" * 65)


@pytest.mark.parametrize(
    ("field", "low", "high", "beyond"),
    [("pause_s", 0.5, 15, (0.49, 15.1)), ("max_digits", 1, 64, (0, 65))],
)
def test_bounds_of_an_entry(
    field: str, low: float, high: float, beyond: tuple[float, float]
) -> None:
    for value in (low, high):
        assert getattr(KeypadTransfer.model_validate({field: value}), field) == value
    for refused in (*beyond, True, str(low)):
        with pytest.raises(ValidationError):
            KeypadTransfer.model_validate({field: refused})


def test_only_star_or_hash_ends_an_entry() -> None:
    assert (KeypadTransfer().end, KeypadTransfer(end=None).end) == ("#", None)
    with pytest.raises(ValidationError):
        KeypadTransfer.model_validate({"end": "5"})
