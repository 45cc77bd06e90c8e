"""Texts that callers read, in every language that there is."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from gateway.agents.texts.written import written_texts

# Source: 3GPP TS 23.038, the basic character set of GSM without its extension.
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


@pytest.mark.parametrize(
    ("tag", "direction"), [("en", "ltr"), ("fr", "ltr"), ("ar", "rtl"), ("ar-EG", "rtl")]
)
def test_a_page_is_read_in_the_direction_of_its_language(tag: str, direction: str) -> None:
    texts = written_texts(tag)
    assert (texts.tag, texts.direction) == (tag.partition("-")[0], direction)


def test_another_language_gets_english() -> None:
    assert written_texts("de") is written_texts("en")


@pytest.mark.parametrize("tag", ["fr", "ar"])
def test_no_text_is_left_in_english(tag: str) -> None:
    english = asdict(written_texts("en"))
    for name, text in asdict(written_texts(tag)).items():
        assert text
        assert name == "direction" or text != english[name]


@pytest.mark.parametrize("tag", ["en", "fr"])
def test_what_is_sent_as_a_text_message_takes_one_byte_a_letter(tag: str) -> None:
    texts = written_texts(tag)
    for text in (texts.no_call, texts.link):
        assert set(text) <= GSM
