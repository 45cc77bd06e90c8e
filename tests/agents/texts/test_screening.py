"""Words of a telephone's assistant, and words of people."""

from __future__ import annotations

import pytest

from gateway.agents.texts.screening import asks_who_calls, has_one_wait

ASKS = [
    "Hi, if you record your name and reason for calling, I'll see if this person is available.",
    "Hi, the person you're calling is using a screening service from Google, and will get a copy "
    "of this conversation. Go ahead and say your name, and why you're calling.",
    "Please state your name and the purpose of your call.",
    "Bonjour, dites votre nom et la raison de votre appel.",
    "Veuillez indiquer votre nom et pourquoi vous appelez.",
    "مرحبا، اذكر اسمك وسبب الاتصال من فضلك.",
    "من فضلك قل اسمك ولماذا تتصل.",
]
WAITS = [
    "Thank you. Please stay on the line.",
    "One moment please, I'll see if they are available.",
    "Merci, ne quittez pas.",
    "Veuillez patienter un instant.",
    "شكرا، انتظر لحظة من فضلك.",
]
PEOPLE = [
    "Hello?",
    "Hello, this is Mrs Ellis.",
    "Who is calling, please?",
    "Yes, what is it about?",
    "Allô, oui, c'est moi.",
    "C'est de la part de qui ?",
    "ألو، من معي؟",
    "نعم، تفضل.",
]


@pytest.mark.parametrize("words", ASKS)
def test_an_assistant_asks_who_is_calling_and_why(words: str) -> None:
    assert asks_who_calls(words)
    assert has_one_wait(words)


@pytest.mark.parametrize("words", WAITS)
def test_an_assistant_has_one_wait(words: str) -> None:
    assert has_one_wait(words)
    assert not asks_who_calls(words)


@pytest.mark.parametrize("words", PEOPLE)
def test_people_are_people(words: str) -> None:
    assert not asks_who_calls(words)
    assert not has_one_wait(words)
