"""Sentences with numbers that are always drawn alike, and a digest of what is read out of each.

Words are drawn from lists of their own, and joined as people join them, rightly or not. See
`tests/rigs/references.py` for what references are for.

    PYTHONPATH=tests:tests/rigs python -m call.privacy.reference_texts --show french-03
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from references import Dice, References

from gateway.call.privacy.redaction import SWITCHES, Redactor
from gateway.call.privacy.spoken_digits import digit_groups

_ENGLISH: Final = (
    *("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fifteen", "nineteen", "twenty", "thirty", "forty"),
    *("sixty", "eighty", "ninety", "hundred", "hundred", "thousand", "and", "and", "double"),
    *("triple", "zeros", "fives", "times", "a", "rooms"),
)
_FRENCH: Final = (
    *("zéro", "un", "une", "deux", "trois", "quatre", "quatre", "cinq", "six", "sept", "huit"),
    *("neuf", "dix", "dix", "onze", "douze", "seize", "vingt", "vingt", "vingts", "trente"),
    *("quarante", "soixante", "soixante", "septante", "nonante", "cent", "cent", "cents", "mille"),
    *("et", "et", "fois", "euros"),
)
_ARABIC: Final = (
    *("صفر", "واحد", "زوز", "اثنين", "ثلاثة", "ثلاث", "أربعة", "خمسة", "ستة", "سبع", "ثماني"),
    *("تسعة", "عشرة", "عشر", "حداش", "اثنا", "أحد", "سبعطاش", "عشرين", "ثلاثين", "وعشرين"),
    *("وتسعين", "مية", "مئة", "ومية", "ميتين", "أربعمية", "ألف", "آلاف", "ألفين", "و", "و"),
    *("وخمسة", "وستة", "دبل", "صفرين", "أصفار", "خمسات", "مرتين", "مرات", "غرفة"),
)
_JOINTS: Final = (" ", " ", " ", " ", " ", " ", "-", ", ", " - ")
_NUMERALS: Final = ("7", "41", "4111", "٤١", "2026", "1111 1111", "+216")
_LANGUAGES: Final = {"english": _ENGLISH, "french": _FRENCH, "arabic": _ARABIC}


def _sentence(dice: Dice, words: tuple[str, ...]) -> str:
    said = [dice.one_of(*words)]
    for _ in range(1 + dice.below(8)):
        said += [dice.one_of(*_JOINTS), dice.one_of(*words)]
    return "".join(said)


def _read(*words: str) -> Callable[[Dice], Iterator[str]]:
    def drawn(dice: Dice) -> Iterator[str]:
        for _ in range(100):
            text = _sentence(dice, words)
            groups, count = digit_groups(text)
            shown = [
                f"{one.digits}@{one.start}-{one.end}/{one.first_word}-{one.last_word}"
                for one in groups
            ]
            yield f"{text}: {' '.join(shown)} of {count}"

    return drawn


_CARDS: Final = (
    *("4111111111111111", "5555555555554444", "378282246310005", "4222222222222"),
    *("6759649826438453", "2223003122003222", "30569309025904"),
)
_WORDS: Final = {
    "english": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "french": ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
    "arabic": ["صفر", "واحد", "اثنين", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة"],
}
_BETWEEN: Final = (
    *("", "", "", "no, sorry,", "uh", "euh non pardon", "et puis", "لا عفوا", "ثم", "and then"),
    *("at the end", "la la la la la", "please write it down", "la " * 12 + "la", "la " * 6 + "la"),
)
_ADDRESSES: Final = (
    *("jo@example.com", "jo dot smith at example dot com", "jean tiret luc arobase ici point fr"),
    *("amal نقطة t آت gmail نقطة com", "@", "at the door", "[card]", "a@b", "jo at example com"),
)


def _numbers(dice: Dice) -> str:
    """Return a card number, or one like it, in pieces as somebody would read it out."""
    digits = dice.one_of(
        *_CARDS, *_CARDS, "4111111111111112", "71123456", "737", "12 March 2026", "411"
    )
    form = dice.one_of("written", "written", "english", "french", "arabic")
    pieces = []
    while digits:
        size = dice.one_of(1, 2, 3, 4, 4, 4, 5, 8, 19)
        piece, digits = digits[:size], digits[size:]
        if form != "written" and piece.isdecimal():
            piece = " ".join(_WORDS[form][int(digit)] for digit in piece)
        pieces.append(f"{piece} {dice.one_of(*_BETWEEN)}".strip() if dice.seldom() else piece)
    return dice.one_of(" ", " ", "-", ", ").join(pieces)


def _said(dice: Dice) -> str:
    parts = []
    for _ in range(1 + dice.below(3)):
        parts.append(dice.one_of(*_BETWEEN))
        if dice.seldom():
            parts.append(dice.one_of(*_ADDRESSES))
        parts.append(_numbers(dice))
        if dice.seldom():
            parts.append(_sentence(dice, dice.one_of(_ENGLISH, _FRENCH, _ARABIC)))
        parts.append(dice.one_of(*_BETWEEN))
    return " ".join(filter(None, parts))


def _redacted(dice: Dice) -> Iterator[str]:
    """Yield what is left of the turns of two speakers, and of the same words alone."""
    for _ in range(8):
        switches = [one for one in SWITCHES if dice.one_of(True, False)]
        if dice.one_of(True, False):
            switches = [dice.one_of(*SWITCHES)]
        redactor = Redactor(switches)
        yield f"--- {' '.join(switches)}"
        for _ in range(6):
            who, text = dice.one_of("caller", "caller", "agent"), _said(dice)
            size = dice.one_of(9, 20, 40, 200)  # a turn may end anywhere
            for turn in (text[:size], text[size:]):
                yield f"{who}: {turn}\n  {redactor.turn(who, turn)}\n  {redactor.text(turn)}"


REFERENCES: Final = References(
    Path(__file__).with_suffix(".txt"),
    "call.privacy.reference_texts",
    {language: (10, _read(*words)) for language, words in _LANGUAGES.items()}
    | {"mixed": (10, _read(*_ENGLISH, *_FRENCH, *_ARABIC, *_NUMERALS))}
    | {"redacted": (30, _redacted)},
)

if __name__ == "__main__":
    sys.exit(REFERENCES.main())
