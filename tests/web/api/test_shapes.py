"""Bodies of the operators' API."""

from __future__ import annotations

import msgspec
import pytest

from gateway.web.api.shapes import DialBody, SayBody


def test_a_body_may_have_nothing_else_in_it() -> None:
    assert msgspec.json.decode(b'{"text": "Hello."}', type=SayBody).text == "Hello."
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"text": "Hello.", "loud": true}', type=SayBody)


def test_from_is_a_word_of_python_only() -> None:
    body = msgspec.json.decode(b'{"to":"+15550100","agent":"a","from":"+15550101"}', type=DialBody)
    assert body.from_ == "+15550101"
