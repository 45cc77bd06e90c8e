"""Digits in a sentence, written or spoken, in English, French and Arabic.

Only what is needed to find numbers that are read out: words for digits, tens, hundreds, thousands,
and repetitions ("double five"). The value of such a word is the digits that a caller would write.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WORD: Final = re.compile(r"\d+|[^\W\d_](?:[^\W\d_]|[\u064b-\u065f\u0670]|['’](?=[^\W\d_]))*")
"""Numerals, or a word with its vowel marks."""


def bare(word: str) -> str:
    """Return a word without case, accents and vowel marks, in one spelling of Arabic letters."""
    if word.isascii():
        return word.lower()
    split = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(char for char in split if not unicodedata.combining(char))
    return plain.replace("ة", "ه").replace("ى", "ي").replace("ـ", "").replace("\u2019", "'")


def _by_word(words: Mapping[int, str]) -> dict[str, int]:
    return {bare(word): value for value, some in words.items() for word in some.split()}


# Arabic as it is written of speech: standard, Tunisian and its neighbours, Gulf, Levant and Egypt;
# and the English and French digits that callers there mix in, in Arabic letters.
_UNITS: Final = _by_word(
    {
        0: "zero oh o nought naught nil صفر زيرو",
        1: "one un une واحد واحدة وحدة ون",
        2: "two deux اثنان اثنين اثنتان اثنتين اتنين تنين ثنين ثنتين تنتين زوز جوج تو دو",
        3: "three trois ثلاثة ثلاث ثلاثا تلاتة تلات تلاثة ثلاتة ثري تري تروا",
        4: "four quatre أربعة أربع ربعة فور كاتر",
        5: "five cinq خمسة خمس فايف سانك",
        6: "six ستة ست سكس سيس",
        7: "seven sept سبعة سبع سفن سيفن سات",
        8: "eight huit ثمانية ثماني ثمان ثمانيا ثمنية تمانية تماني تمنية ايت ويت",
        9: "nine neuf تسعة تسع ناين نوف",
    }
)
_TEENS: Final = _by_word(
    {
        10: "ten dix عشرة عشر",
        11: "eleven onze احدعش حدعش هدعش إيدعش حداشر احداشر حداش احداش",
        12: "twelve douze اثنعش اثناعش ثنعش اتنعش اطنعش اطناشر اتناشر طناشر اثناش اتناش ثناش طناش",
        13: "thirteen treize ثلاثطعش ثلاثتعش ثلطعش ثلتعش تلتعش تلطعش تلتاشر تلطاشر تلتطاشر "
        "ثلطاش ثلاثطاش ثلتاش تلطاش تلتاش",
        14: "fourteen quatorze اربعطعش اربعتعش اربعتاشر اربعطاشر اربعطاش اربعتاش ربعطاش",
        15: "fifteen quinze خمسطعش خمستعش خمستاشر خمسطاشر خمسطاش خمستاش",
        16: "sixteen seize ستطعش ستعش سطعش ستاشر سطاشر سطاش ستاش ستطاش",
        17: "seventeen سبعطعش سبعتعش سبعتاشر سبعطاشر سبعطاش سبعتاش",
        18: "eighteen ثمنطعش ثمنتعش ثمانطعش ثمانتعش تمنطعش تمنتعش تمنتاشر تمنطاشر "
        "ثمنطاش ثمنتاش تمنطاش تمنتاش",
        19: "nineteen تسعطعش تسعتعش تسعتاشر تسعطاشر تسعطاش تسعتاش",
    }
)
_TENS: Final = _by_word(
    {
        20: "twenty vingt vingts عشرون عشرين",
        30: "thirty trente ثلاثون ثلاثين تلاتين تلاثين ثلاتين",
        40: "forty fourty quarante أربعون أربعين ربعين",
        50: "fifty cinquante خمسون خمسين",
        60: "sixty soixante ستون ستين",
        70: "seventy septante سبعون سبعين",
        80: "eighty huitante octante ثمانون ثمانين تمانين ثمنين تمنين",
        90: "ninety nonante تسعون تسعين",
    }
)
_BEFORE_TEN: Final = _by_word({1: "أحد إحدى", 2: "اثنا اثني اثنتا اثنتي"})
"""Units that stand only before the ten of a number like "أحد عشر"."""
_TEN: Final = frozenset(map(bare, ("عشر", "عشرة")))
_REPEATS: Final = _by_word(
    {
        2: "double دبل دوبل",
        3: "triple treble تربل تريبل",
    }
)
_COUNTED: Final = _by_word(
    {
        0: "zeros zeroes أصفار صفورة",
        1: "ones واحدات",
        2: "twos ثنينات اثنينات زوزات",
        3: "threes ثلاثات تلاتات",
        4: "fours أربعات",
        5: "fives خمسات",
        6: "sixes ستات",
        7: "sevens سبعات",
        8: "eights ثمانيات ثمنيات تمانيات",
        9: "nines تسعات",
    }
)
"""Digits in the plural, with how many there are before them: three zeros."""
_PAIRS: Final = _by_word(
    {
        0: "صفرين",
        3: "ثلاثتين",
        4: "أربعتين",
        5: "خمستين",
        7: "سبعتين",
        8: "ثمانيتين",
        9: "تسعتين",
    }
)
"""Two of a digit, in the Arabic dual; that of six is written as sixty is."""
_TIMES: Final = frozenset({"times", "fois"})
_TWICE: Final = "مرتين"
_TIMES_AFTER: Final = "مرات"
_HUNDRED: Final = _by_word({99: "hundred", 19: "cent cents", 9: "مية ميا مئة مائة"})
"""Words for hundred, and how many of them are counted with it at most."""
_HUNDREDS: Final = _by_word(
    {
        200: "ميتين ميتان مئتين مئتان مائتين مائتان",
        300: "ثلاثمية ثلاثمئة ثلاثمائة ثلثمية ثلثمئة ثلثمائة ثلتمية تلاتمية تلتمية",
        400: "أربعمية أربعمئة أربعمائة ربعمية",
        500: "خمسمية خمسمئة خمسمائة",
        600: "ستمية ستمئة ستمائة",
        700: "سبعمية سبعمئة سبعمائة",
        800: "ثمانمية ثمانمئة ثمانمائة ثمنمية ثمنمئة ثمنمائة تمانمية تمنمية",
        900: "تسعمية تسعمئة تسعمائة",
    }
)
_THOUSAND: Final = frozenset(map(bare, ("thousand", "mille", "ألف", "آلاف")))
_THOUSANDS: Final = _by_word({2000: "ألفين ألفان"})
_FOUR: Final = "quatre"
_TWENTIES: Final = frozenset({"vingt", "vingts"})
"""What makes eighty of a four."""
_HYPHENS: Final = frozenset({"-", "\u2010", "\u2011"})
_JOINS: Final = frozenset({"and", "et", "و"})
_ARABIC_AND: Final = "و"
_NUMBER_WORDS: Final = frozenset().union(
    *(_UNITS, _TEENS, _TENS, _BEFORE_TEN, _REPEATS, _COUNTED, _PAIRS),
    *(_HUNDRED, _HUNDREDS, _THOUSAND, _THOUSANDS),
)


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
    words = [word for found in WORD.finditer(text) for word in _parts(found)]
    return list(_groups(words)), len(words)


_Word = tuple[str, int, int, bool]
"""A bare word, where it is in the text, from and to, and whether a hyphen stands before it."""
_Words = Sequence[_Word]


def _parts(found: re.Match[str]) -> Iterator[_Word]:
    """Yield a word; the Arabic "and" that is written together with a number as one of its own."""
    word, (start, end) = bare(found.group()), found.span()
    hyphen = found.string[start - 1 : start] in _HYPHENS
    if word.startswith(_ARABIC_AND) and word not in _NUMBER_WORDS and word[1:] in _NUMBER_WORDS:
        yield _ARABIC_AND, start, start + 1, hyphen
        yield word[1:], start + 1, end, hyphen
    else:
        yield word, start, end, hyphen


def _groups(words: _Words) -> Iterator[DigitGroup]:
    at = 0
    while at < len(words):
        digits, used = _number(words, at)
        if used:
            yield DigitGroup(digits, words[at][1], words[at + used - 1][2], at, at + used - 1)
        at += used or 1


def _number(words: _Words, at: int) -> tuple[str, int]:
    """Return the digits of the number that begins at this word, and how many words it takes."""
    word = words[at][0]
    if word.isdecimal():
        return "".join(str(unicodedata.decimal(char)) for char in word), 1
    if word in _REPEATS and _word(words, at + 1) not in _REPEATS and at + 1 < len(words):
        digits, used = _number(words, at + 1)
        # Of "double forty-one" only the digit that follows is meant twice.
        return (digits[0] * _REPEATS[word] + digits[1:], used + 1) if used else ("", 0)
    if word in _PAIRS:
        return str(_PAIRS[word]) * 2, 1
    value, used = _below_million(words, at)
    if used == 1 and value <= 9:
        return _repeated(words, at, value)
    return (str(value), used) if used else ("", 0)


def _repeated(words: _Words, at: int, unit: int) -> tuple[str, int]:
    """Return the digits of "three zeros", "trois fois zéro", "five twice", or the unit alone."""
    following, third = _word(words, at + 1), _word(words, at + 2)
    if unit >= 2 and following in _COUNTED:
        return str(_COUNTED[following]) * unit, 2
    if unit >= 2 and following in _TIMES and third in _UNITS:
        return str(_UNITS[third]) * unit, 3
    if following == _TWICE:
        return str(unit) * 2, 2
    if third == _TIMES_AFTER and _UNITS.get(following, 0) >= 2:
        return str(unit) * _UNITS[following], 3
    return str(unit), 1


def _below_million(words: _Words, at: int) -> tuple[int, int]:
    value, used = _below_thousand(words, at)
    first = _word(words, at)
    if value and _goes_on(words, at + used) and _word(words, at + used) in _THOUSAND:
        value, used = value * 1000, used + 1
    elif not used and first in _THOUSANDS:
        value, used = _THOUSANDS[first], 1
    elif not used and first in _THOUSAND:
        rest, more = _rest(words, at + 1, _below_thousand)
        return (1000 + rest, more + 1) if more else (0, 0)
    else:
        return value, used
    rest, more = _rest(words, at + used, _below_thousand)
    return value + rest, used + more


def _below_thousand(words: _Words, at: int) -> tuple[int, int]:
    value, used = _below_hundred(words, at)
    first = _word(words, at)
    most = _HUNDRED.get(_word(words, at + used), 0)
    if 1 <= value <= most and value != 10 and _goes_on(words, at + used):
        value, used = value * 100, used + 1
    elif first in _HUNDREDS:
        value, used = _HUNDREDS[first], 1
    elif not used and first in _HUNDRED:  # alone it may be money, or "pour cent"
        rest, more = _rest(words, at + 1, _below_hundred)
        return (100 + rest, more + 1) if more else (0, 0)
    else:
        return value, used
    rest, more = _rest(words, at + used, _below_hundred)
    return value + rest, used + more


def _rest(
    words: _Words, at: int, below: Callable[[_Words, int], tuple[int, int]]
) -> tuple[int, int]:
    """Return what a hundred or thousand goes on with; in Arabic, "and" stands before it."""
    joined = _word(words, at) in _JOINS
    start = at + joined
    if not _goes_on(words, at) or (not joined and not _word(words, start).isascii()):
        return 0, 0
    value, used = below(words, start)
    return (value, used + joined) if value else (0, 0)


def _below_hundred(words: _Words, at: int) -> tuple[int, int]:
    word, following = _word(words, at), _next(words, at + 1)
    if word in _TENS:
        # In Arabic units stand before the tens: what follows is another number.
        return _tens(words, at, _TENS[word], 1) if word.isascii() else (_TENS[word], 1)
    if word == _FOUR and following in _TWENTIES:
        return _tens(words, at, 80, 2)
    if word in _TEENS:
        if word == "dix" and 7 <= _UNITS.get(following, 0) <= 9:
            return 10 + _UNITS[following], 2
        return _TEENS[word], 1
    if word in _BEFORE_TEN and following in _TEN:
        return 10 + _BEFORE_TEN[word], 2
    if word in _UNITS:
        return (_UNITS[word], 1) if word.isascii() else _arabic_unit(words, at, _UNITS[word])
    return 0, 0


def _tens(words: _Words, at: int, tens: int, used: int) -> tuple[int, int]:
    """Return "forty one", "quarante et un", "soixante-dix", "quatre-vingt-onze" as one number."""
    following = at + used
    if _next(words, following) in _JOINS:
        following += 1
    unit = _next(words, following)
    if unit == _FOUR and _is_eighty(words, following):
        return tens, used
    if _UNITS.get(unit, 0) >= 1:
        return tens + _UNITS[unit], following + 1 - at
    if tens in (60, 80) and unit in _TEENS:
        value, more = _below_hundred(words, following)
        return tens + value, following + more - at
    return tens, used


def _is_eighty(words: _Words, at: int) -> bool:
    """Return whether "quatre" behind tens is the beginning of eighty, and not their unit.

    Hyphens tell "trente quatre-vingt" from "trente-quatre vingt"; "vingts" has no unit behind it.
    """
    if _next(words, at + 1) not in _TWENTIES:
        return False
    before, quatre, vingt = words[at - 1 : at + 2]
    return before[0] == "vingts" or (vingt[3] and not quatre[3])


def _arabic_unit(words: _Words, at: int, unit: int) -> tuple[int, int]:
    """Return a unit, together with its ten or tens: "five ten", "five and twenty"."""
    following = _next(words, at + 1)
    if unit and following in _TEN:
        return 10 + unit, 2
    tens = _next(words, at + 2)
    if unit and following == _ARABIC_AND and tens in _TENS:
        return _TENS[tens] + unit, 3
    return unit, 1


def _goes_on(words: _Words, at: int) -> bool:
    """Return whether no comma, or the like, stands before this word."""
    return at < len(words) and words[at][1] - words[at - 1][2] <= 1


def _next(words: _Words, at: int) -> str:
    """Return the word that follows on the one before; "" behind a comma, which ends a number."""
    return words[at][0] if _goes_on(words, at) else ""


def _word(words: _Words, at: int) -> str:
    return words[at][0] if at < len(words) else ""
