"""Digits in a sentence, written or spoken, in English, French and Arabic.

Only what is needed to find numbers that are read out: words for digits, tens, and repetitions
("double five"). The value of a tens word is the digits that a caller would write for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"\d+|[^\W\d_](?:[^\W\d_]|[\u064b-\u065f\u0670]|['’](?=[^\W\d_]))*")
"""Numerals, or a word with its vowel marks."""

_UNITS: Final = {
    "zero": 0, "oh": 0, "o": 0, "nought": 0, "nil": 0, "one": 1, "two": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "un": 1, "une": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "sept": 7, "huit": 8,
    "neuf": 9,
    "صفر": 0, "زيرو": 0, "واحد": 1, "واحده": 1, "وحده": 1, "اثنان": 2, "اثنين": 2, "اتنين": 2,
    "ثنين": 2, "زوز": 2, "ثلاثه": 3, "ثلاث": 3, "تلاته": 3, "تلات": 3, "ثلاثا": 3, "اربعه": 4,
    "اربع": 4, "خمسه": 5, "خمس": 5, "سته": 6, "ست": 6, "سبعه": 7, "سبع": 7, "ثمانيه": 8,
    "ثماني": 8, "ثمان": 8, "ثمانيا": 8, "تمانيه": 8, "ثمنيه": 8, "تسعه": 9, "تسع": 9,
}  # fmt: skip
_TEENS: Final = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "dix": 10, "onze": 11, "douze": 12, "treize": 13, "quatorze": 14, "quinze": 15, "seize": 16,
    "عشره": 10, "عشر": 10, "احدعش": 11, "حداشر": 11, "حداش": 11, "اثنعش": 12, "اطناشر": 12,
    "اثناش": 12, "طناش": 12, "ثلاثطعش": 13, "تلتاشر": 13, "ثلطاش": 13, "اربعطعش": 14,
    "اربعتاشر": 14, "اربعطاش": 14, "خمسطعش": 15, "خمستاشر": 15, "خمسطاش": 15, "ستطعش": 16,
    "ستاشر": 16, "سطاش": 16, "سبعطعش": 17, "سبعتاشر": 17, "سبعطاش": 17, "ثمنطعش": 18,
    "تمنتاشر": 18, "ثمنطاش": 18, "تسعطعش": 19, "تسعتاشر": 19, "تسعطاش": 19,
}  # fmt: skip
_TENS: Final = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
    "vingt": 20, "vingts": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60,
    "septante": 70, "huitante": 80, "octante": 80, "nonante": 90,
    "عشرون": 20, "عشرين": 20, "ثلاثون": 30, "ثلاثين": 30, "تلاتين": 30, "اربعون": 40,
    "اربعين": 40, "خمسون": 50, "خمسين": 50, "ستون": 60, "ستين": 60, "سبعون": 70, "سبعين": 70,
    "ثمانون": 80, "ثمانين": 80, "تمانين": 80, "تسعون": 90, "تسعين": 90,
}  # fmt: skip
_REPEATS: Final = {"double": 2, "triple": 3, "treble": 3, "دبل": 2}
_ZEROS: Final = {
    "hundred": 2, "thousand": 3, "cent": 2, "cents": 2, "mille": 3, "ميه": 2, "مئه": 2, "مائه": 2,
    "الف": 3,
}  # fmt: skip
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
