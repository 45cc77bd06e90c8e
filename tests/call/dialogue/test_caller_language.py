"""The caller's language: told by the model, or from elsewhere, and what follows it."""

from __future__ import annotations

import pytest
from call import sideband
from call.play import Book, an_agent, answered, asks, asks_for_an_answer, note, outputs, wait
from call.vendor_events import (
    response_created,
    response_done,
    session_created,
    session_updated,
    start,
)

from gateway import limits
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.inputs import LanguageChosen
from gateway.call.snapshot import decode, encode
from gateway.protocols.realtime_server import ResponseDone

STOCK = {
    "description": "Looks up.",
    "parameters": {"type": "object", "properties": {}},
    "http": {"url": "https://api.example.com/"},
    "filler": "One moment.",
    "filler_after_ms": 100,
}


def switches(arguments: str) -> ResponseDone:
    done = response_done(calls=(("switch_language", "call_1"),))
    assert done.response.output
    done.response.output[0].arguments = arguments
    return done


@pytest.mark.parametrize("begin", [answered, sideband.attached])
def test_the_model_tells_which_language_the_caller_speaks(begin: type[Book]) -> None:
    book = begin(tools=["switch_language"]) >> response_created()
    book << ... >> switches('{"language": "fr"}') << note(events.ToolCalled)
    book << events.LanguageChanged("fr") << outputs("call_1", prompts.language_set("fr"))
    book << asks_for_an_answer
    assert book.call.language == "fr"


@pytest.mark.parametrize(
    "arguments",
    ["", "{}", '{"language": 5}', '{"language": "French!"}', f'{{"language": "fr-{"a" * 99}"}}'],
)
def test_what_is_no_tag_changes_nothing(arguments: str) -> None:
    book = answered(tools=["switch_language"]) >> response_created() >> switches(arguments)
    book << note(events.ToolCalled) << outputs("call_1", prompts.NO_LANGUAGE) << asks_for_an_answer
    assert book.call.language == "en"


@pytest.mark.parametrize("longer", [0, 1])
def test_a_tag_may_be_as_long_as_its_bound(longer: int) -> None:
    length = limits.agents.LANGUAGE_MAX_CHARS + longer
    tag = ("en" + "-abcdefgh" * length)[:length].rstrip("-")
    tag += "x" * (length - len(tag))
    book = answered(language="fr") >> LanguageChosen(tag) << ...
    assert book.call.language == ("fr" if longer else tag)


def test_the_same_language_is_no_change() -> None:
    answered(language="fr") >> LanguageChosen("fr") << (...)


def test_the_agents_own_sentences_are_said_in_the_callers_language() -> None:
    book = answered(tools=["stock"], functions={"stock": STOCK}) >> LanguageChosen("fr-TN")
    book << events.LanguageChanged("fr-TN") >> response_created()
    book >> response_done(calls=(("stock", "call_1"),)) << ... >> wait(0.2)
    book << asks('translated into the language of the tag "fr-TN"')


def test_a_country_is_no_other_language() -> None:
    book = answered(tools=["stock"], functions={"stock": STOCK}) >> LanguageChosen("en-GB") << ...
    book >> response_created() >> response_done(calls=(("stock", "call_1"),)) << ... >> wait(0.2)
    book << asks("word for word")


def test_a_greeting_is_said_in_the_language_that_was_known_before() -> None:
    book = Book(greeting="Hello.")
    book.call.speak("ar-TN")
    book >> session_created() << ... >> session_updated(book.agent) << ...
    book >> start() << ... >> book.next_frame()
    assert "ar-TN" in book.said[-1]["response"]["instructions"]
    book << ...


def test_another_process_knows_it() -> None:
    state = decode(encode((answered() >> LanguageChosen("fr") << ...).call.snapshot()))
    book = Book()
    book.call.resume(state)
    assert book.call.language == "fr"


def test_a_snapshot_without_one_leaves_the_agents() -> None:
    state = decode(encode(answered().call.snapshot()))
    state.language = ""
    book = Book(language="ar")
    book.call.resume(state)
    assert book.call.language == "ar"


@pytest.mark.parametrize(("of_next", "expected"), [({"language": "ar"}, "ar"), ({}, "fr")])
def test_the_next_agent_speaks_its_own_language_if_it_names_one(
    of_next: dict[str, str], expected: str
) -> None:
    book = answered() >> LanguageChosen("fr") << ...
    book.call.ctx.change_agent(an_agent(name="next", **of_next), server_answers=True)
    assert book.call.language == expected
