"""Headers to OpenAI: the caller is known by a hash that nobody can read."""

from __future__ import annotations

from types import SimpleNamespace

from gateway.transports.openai_headers import bearer, model_headers

ANNA, BERT = SimpleNamespace(caller="+14155550123"), SimpleNamespace(caller="+14155550124")
IDENTIFIER = "OpenAI-Safety-Identifier"


def test_the_key() -> None:
    assert bearer("sk-1") == {"Authorization": "Bearer sk-1"}


def test_a_caller_has_the_same_identifier_in_each_call() -> None:
    first, again = model_headers("sk-1", ANNA), model_headers("sk-1", ANNA)
    assert first == again
    assert first["Authorization"] == "Bearer sk-1"
    assert len(first[IDENTIFIER]) == 32
    assert "4155550123" not in first[IDENTIFIER]


def test_two_callers_or_two_keys_have_two() -> None:
    found = {
        model_headers(key, call)[IDENTIFIER] for key in ("sk-1", "sk-2") for call in (ANNA, BERT)
    }
    assert len(found) == 4


def test_whoever_withholds_their_number_has_none() -> None:
    assert model_headers("sk-1", SimpleNamespace(caller="")) == bearer("sk-1")


def test_a_name_that_is_no_text_is_hashed_all_the_same() -> None:
    assert IDENTIFIER in model_headers("sk-1", SimpleNamespace(caller="client:\ud800"))
