"""Selection by language tags."""

from __future__ import annotations

import pytest

from gateway.agents.texts.lookup import LANGUAGE_TAG, in_language, same_language

TEXTS = {"en": "hello", "fr": "bonjour"}


@pytest.mark.parametrize(
    ("tag", "text"),
    [("fr", "bonjour"), ("fr-CA", "bonjour"), (" FR", "bonjour"), ("de", "hello"), ("", "hello")],
)
def test_the_country_does_not_matter_and_english_stands_in(tag: str, text: str) -> None:
    assert in_language(TEXTS, tag) == text


@pytest.mark.parametrize(
    ("tag", "other", "same"),
    [("ar-TN", "ar", True), ("en-GB", "EN-us", True), ("en", "fr", False), ("fra", "fr", False)],
)
def test_same_language(tag: str, other: str, same: bool) -> None:
    assert same_language(tag, other) is same


@pytest.mark.parametrize("tag", ["en", "fra", "ar-TN", "zh-Hant-TW", "es-419"])
def test_forms_of_a_tag(tag: str) -> None:
    assert LANGUAGE_TAG.fullmatch(tag)


@pytest.mark.parametrize("tag", ["", "e", "engl", "en_US", "en-", "en-x", "en-" + "x" * 9, "1n"])
def test_what_is_no_tag(tag: str) -> None:
    assert not LANGUAGE_TAG.fullmatch(tag)
