"""Sentences of the carrier's voice, in every language that there is."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from gateway.agents.texts.spoken import spoken_phrases


@pytest.mark.parametrize(
    ("tag", "voice"),
    [("en", "en-US"), ("fr-CA", "fr-FR"), ("ar-TN", "ar-XA"), ("de", "en-US"), ("", "en-US")],
)
def test_the_voice_speaks_the_language_of_its_sentences(tag: str, voice: str) -> None:
    assert spoken_phrases(tag).language == voice


@pytest.mark.parametrize("tag", ["fr", "ar"])
def test_no_sentence_is_left_in_english(tag: str) -> None:
    english = asdict(spoken_phrases("en"))
    for name, sentence in asdict(spoken_phrases(tag)).items():
        assert sentence
        assert sentence != english[name]


@pytest.mark.parametrize("tag", ["en", "fr", "ar"])
def test_a_sentence_ends_and_has_no_markup(tag: str) -> None:
    sentences = asdict(spoken_phrases(tag))
    del sentences["language"]
    for sentence in sentences.values():
        assert sentence.endswith(".")
        assert not set("<>&$*#") & set(sentence), "a voice reads signs out, or not at all"
