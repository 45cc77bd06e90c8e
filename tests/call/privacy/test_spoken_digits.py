"""Digits as people say them, in three languages."""

from __future__ import annotations

import pytest

from gateway.call.privacy.spoken_digits import digit_groups


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("four one one one, double five 1234", "4 1 1 1 55 1234"),
        ("oh seven triple nine", "0 7 999"),
        ("forty-two, nineteen, one hundred", "42 19 100"),
        ("double forty-one", "441"),
        ("4111-1111 1111.1111", "4111 1111 1111 1111"),
        ("quarante et un, soixante-dix-sept", "41 77"),
        ("quatre-vingt-onze, quatre-vingts euros, quatre vingt trois", "91 80 83"),
        ("zéro six douze trente-quatre dix-huit", "0 6 12 34 18"),
        ("septante-deux, nonante et un", "72 91"),
        ("أربعة واحد خَمْسَة صفر", "4 1 5 0"),
        ("خمسة وعشرين ثلاثة وأربعون", "25 43"),
        ("٤١١١ ۱۲", "4111 12"),
        ("زوز وثلاثين", "32"),
        ("I want nothing.", ""),
        ("", ""),
    ],
)
def test_numbers_are_read_as_a_caller_would_write_them(text: str, digits: str) -> None:
    groups, _ = digit_groups(text)
    assert " ".join(group.digits for group in groups) == digits


def test_groups_say_where_they_stand() -> None:
    text = "It is forty-two, please."
    (group,), words = digit_groups(text)
    assert text[group.start : group.end] == "forty-two"
    assert (group.first_word, group.last_word, words) == (2, 3, 5)
