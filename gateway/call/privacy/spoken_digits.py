"""Digits in a sentence, written or spoken, in English, French and Arabic.

Only what is needed to find numbers that are read out: words for digits, tens, and repetitions
("double five"). The value of a tens word is the digits that a caller would write for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"\d+|[^\W\d_](?:[^\W\d_]|[\u064b-\u065f\u0670]|['’](?=[^\W\d_]))*")
"""Numerals, or a word with its vowel marks."""


def _by_word(words: Mapping[int, str]) -> dict[str, int]:
    return {word: value for value, some in words.items() for word in some.split()}


_UNITS: Final = _by_word(
    {
        0: "zero oh o nought nil صفر زيرو",
        1: "one un une واحد واحده وحده",
        2: "two deux اثنان اثنين اتنين ثنين زوز",
        3: "three trois ثلاثه ثلاث تلاته تلات ثلاثا",
        4: "four quatre اربعه اربع",
        5: "five cinq خمسه خمس",
        6: "six سته ست",
        7: "seven sept سبعه سبع",
        8: "eight huit ثمانيه ثماني ثمان ثمانيا تمانيه ثمنيه",
        9: "nine neuf تسعه تسع",
    }
)
_TEENS: Final = _by_word(
    {
        10: "ten dix عشره عشر",
        11: "eleven onze احدعش حداشر حداش",
        12: "twelve douze اثنعش اطناشر اثناش طناش",
        13: "thirteen treize ثلاثطعش تلتاشر ثلطاش",
        14: "fourteen quatorze اربعطعش اربعتاشر اربعطاش",
        15: "fifteen quinze خمسطعش خمستاشر خمسطاش",
        16: "sixteen seize ستطعش ستاشر سطاش",
        17: "seventeen سبعطعش سبعتاشر سبعطاش",
        18: "eighteen ثمنطعش تمنتاشر ثمنطاش",
        19: "nineteen تسعطعش تسعتاشر تسعطاش",
    }
)
_TENS: Final = _by_word(
    {
        20: "twenty vingt vingts عشرون عشرين",
        30: "thirty trente ثلاثون ثلاثين تلاتين",
        40: "forty fourty quarante اربعون اربعين",
        50: "fifty cinquante خمسون خمسين",
        60: "sixty soixante ستون ستين",
        70: "seventy septante سبعون سبعين",
        80: "eighty huitante octante ثمانون ثمانين تمانين",
        90: "ninety nonante تسعون تسعين",
    }
)
_REPEATS: Final = _by_word(
    {
        2: "double دبل",
        3: "triple treble",
    }
)
_ZEROS: Final = _by_word(
    {
        2: "hundred cent cents ميه مئه مائه",
        3: "thousand mille الف",
    }
)
_JOINS: Final = frozenset({"and", "et", "و"})
_ARABIC_AND: Final = "و"


@dataclass(frozen=True, slots=True)
class DigitGroup:
    """Digits that stand together, and where: characters `start` to `end` of the text."""

    digits: str
    start: int
    end: int
    first_word: int
    last_word: int
    """Words of the text, counted from 0."""


def digit_groups(text: str) -> tuple[list[DigitGroup], int]:
    """Return the groups of digits in a text, in order, and how many words it has."""
    words = [(_bare(found.group()), found.start(), found.end()) for found in _WORD.finditer(text)]
    return list(_groups(words)), len(words)


def _groups(words: list[tuple[str, int, int]]) -> Iterator[DigitGroup]:
    at = 0
    while at < len(words):
        digits, used = _number(words, at)
        if used:
            yield DigitGroup(digits, words[at][1], words[at + used - 1][2], at, at + used - 1)
        at += used or 1


def _number(words: list[tuple[str, int, int]], at: int) -> tuple[str, int]:
    """Return the digits of the number that begins at this word, and how many words it takes."""
    word = words[at][0]
    if word.isdecimal():
        return "".join(str(unicodedata.decimal(char)) for char in word), 1
    if word in _REPEATS and at + 1 < len(words):
        digits, used = _number(words, at + 1)
        # Of "double forty-one" only the digit that follows is meant twice.
        return (digits[0] * _REPEATS[word] + digits[1:], used + 1) if used else ("", 0)
    value, used = _below_hundred(words, at)
    if not used:
        return "", 0
    zeros = words[at + used][0] if at + used < len(words) else ""
    if zeros in _ZEROS:
        return f"{value}{'0' * _ZEROS[zeros]}", used + 1
    return str(value), used


def _below_hundred(words: list[tuple[str, int, int]], at: int) -> tuple[int, int]:
    word = words[at][0]
    if word in _TENS:
        return _tens(words, at, _TENS[word], 1)
    if word == "quatre" and at + 1 < len(words) and words[at + 1][0] in ("vingt", "vingts"):
        return _tens(words, at, 80, 2)
    if word in _TEENS:
        unit = words[at + 1][0] if at + 1 < len(words) else ""
        if word == "dix" and 7 <= _UNITS.get(unit, 0) <= 9:
            return 10 + _UNITS[unit], 2
        return _TEENS[word], 1
    if word in _UNITS:
        return _arabic_unit(words, at, _UNITS[word])
    return 0, 0


def _tens(words: list[tuple[str, int, int]], at: int, tens: int, used: int) -> tuple[int, int]:
    """Return "forty one", "quarante et un", "soixante-dix", "quatre-vingt-onze" as one number."""
    following = at + used
    if following < len(words) and words[following][0] in _JOINS:
        following += 1
    unit = words[following][0] if following < len(words) else ""
    if 1 <= _UNITS.get(unit, 0) <= 9:
        return tens + _UNITS[unit], following + 1 - at
    if tens in (60, 80) and unit in _TEENS:
        value, more = _below_hundred(words, following)
        return tens + value, following + more - at
    return tens, used


def _arabic_unit(words: list[tuple[str, int, int]], at: int, unit: int) -> tuple[int, int]:
    """Return a unit, together with the tens that follow it in Arabic: five and twenty."""
    following = words[at + 1][0] if at + 1 < len(words) else ""
    if following.startswith(_ARABIC_AND) and following[1:] in _TENS and unit:
        return _TENS[following[1:]] + unit, 2
    return unit, 1


def _bare(word: str) -> str:
    """Return a word without case, accents and vowel marks, in one spelling of Arabic letters."""
    if word.isascii():
        return word.lower()
    split = unicodedata.normalize("NFKD", word.casefold())
    bare = "".join(char for char in split if not unicodedata.combining(char))
    return bare.replace("ة", "ه").replace("ى", "ي").replace("ـ", "")
