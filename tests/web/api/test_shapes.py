"""Bodies of the operators' API."""

from __future__ import annotations

import jsonschema_rs
import msgspec
import pytest

from gateway.web.api.openapi import document
from gateway.web.api.shapes import DialBody, SayBody, TransferBody


def test_a_body_may_have_nothing_else_in_it() -> None:
    assert msgspec.json.decode(b'{"text": "Hello."}', type=SayBody).text == "Hello."
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"text": "Hello.", "loud": true}', type=SayBody)


def test_from_is_a_word_of_python_only() -> None:
    body = msgspec.json.decode(b'{"to":"+15550100","agent":"a","from":"+15550101"}', type=DialBody)
    assert body.from_ == "+15550101"


@pytest.mark.parametrize("body", [SayBody, TransferBody])
@pytest.mark.parametrize("blank", [" ", "\x1c", "\x85", "\xa0", "\u2003", "\ufeff"])
def test_a_blank_is_what_the_description_says_it_is(body: type, blank: str) -> None:
    """Python's `\\s` and that of ECMAScript, as in the description, do not mean the same."""
    field = {SayBody: "text", TransferBody: "to"}[body]
    described = document()["components"]["schemas"][body.__name__]["properties"][field]
    for text, fits in ((blank, False), (f"{blank}a", True)):
        assert jsonschema_rs.is_valid(described, text) is fits
        try:
            msgspec.convert({field: text}, body)
        except msgspec.ValidationError:
            assert not fits
        else:
            assert fits


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        (2**53, True),
        (2**53 + 1, False),
        (-(2**53), True),
        (-(2**53) - 1, False),
        (1e15, True),
        (1e15 + 0.5, False),
        (-1e15, True),
        (-1e15 - 0.5, False),
    ],
)
def test_a_fact_is_a_number_that_every_reader_of_json_has_as_it_was_sent(
    number: float, fits: bool
) -> None:
    body = {"to": "+15550100", "agent": "a", "facts": {"number": number}}
    if fits:
        assert msgspec.convert(body, DialBody).facts == {"number": number}
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(body, DialBody)
    assert jsonschema_rs.is_valid(document()["components"]["schemas"]["DialBody"], body) is fits
