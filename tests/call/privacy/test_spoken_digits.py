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
        ("خمسة و عشرين وأربعة وواحد", "25 4 1"),
        ("صفر عشرين ثلاثة", "0 20 3"),
        ("أحد عشر، ثلاثة عشر، ثماني عشرة، اثنتا عشرة", "11 13 18 12"),
        ("اثنتان ثنتين تنين جوج ثمنية تمنية", "2 2 2 2 8 8"),
        ("احداش ثناش ثلطاش اربعطاش ستاش تسعطاش", "11 12 13 14 16 19"),
        ("احدعش اثنعش ثلاثتعش خمستعش ثمنتعش", "11 12 13 15 18"),
        ("إحداش، أربعطعش، اتناشر", "11 14 12"),
        ("دبل فايف، تروا، زيرو، سيفن", "55 3 0 7"),
        ("ثمنية وتسعين أربعمية خمسمائة وخمسة وعشرون", "98 400 525"),
        ("مية وثلاثة وعشرين، ميتين وواحد، خمس مئة", "123 201 500"),
        ("صفر خمسين ثلاث خمسات ثلاثة أصفار صفرين", "0 50 555 000 00"),
        ("سبعة مرتين، أربعة ثلاث مرات، ثمنية", "77 444 8"),
        ("deux zéro, trois zéros, quatre fois un, one fives, three nines", "2 0 000 1111 1 999"),
        ("nine zeros, two zeros, nine times four, ten times two", "000000000 00 444444444 10 2"),
        ("تسعة مرتين، عشرة مرتين", "99 10"),
        ("سبعة زوز مرات، سبعة واحد مرات", "77 7 1"),
        ("ألفين وستة وعشرين، أربعة آلاف ومية وحداش", "2026 4111"),
        ("vingt et un, cent vingt-trois, quatre cent cinquante-six", "21 123 456"),
        ("vingt et un cent vingt-trois quatre cent vingt", "21 123 420"),
        ("zéro six, cent vingt-trois, quatre cents, douze", "0 6 123 400 12"),
        ("sept cent trente-sept, quatre mille cent onze", "737 4111"),
        ("mille neuf cent quatre-vingt-dix-sept, deux mille vingt-six", "1997 2026"),
        ("seven hundred and thirty-seven, two thousand and twelve", "737 2012"),
        ("huitante-trois, octante et un, soixante et onze", "83 81 71"),
        (
            "forty, two, vingt, et un, soixante, onze, quatre, vingt, dix, sept",
            "40 2 20 1 60 11 4 20 10 7",
        ),
        ("خمسة، عشرة، أربعة، وعشرين", "5 10 4 20"),
        ("dix pour cent, une serviette, mille mercis, مياه، ألف شكر", "10 1"),
        ("I want nothing.", ""),
        ("", ""),
    ],
)
def test_numbers_are_read_as_a_caller_would_write_them(text: str, digits: str) -> None:
    groups, _ = digit_groups(text)
    assert " ".join(group.digits for group in groups) == digits


def test_a_repetition_without_end_is_read_too() -> None:
    groups, words = digit_groups("double " * 2000 + "five")
    assert ([group.digits for group in groups], words) == (["55"], 2001)


def test_groups_say_where_they_stand() -> None:
    text = "It is forty-two, please."
    (group,), words = digit_groups(text)
    assert text[group.start : group.end] == "forty-two"
    assert (group.first_word, group.last_word, words) == (2, 3, 5)
