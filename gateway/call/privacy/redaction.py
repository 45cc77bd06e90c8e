"""Redaction of card numbers, digits, telephone numbers and addresses in people's words.

Numbers are found written and spoken, also when they are corrected on the way, and when they are
read out over several turns: words that may be the beginning of a card number are taken out at
once, since what is published cannot be called back.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final, get_args

from gateway.agents.config.privacy import RedactSwitch
from gateway.call.privacy.spoken_digits import WORD, DigitGroup, bare, digit_groups

SWITCHES: Final[tuple[RedactSwitch, ...]] = get_args(RedactSwitch)

CARD_DIGITS: Final = (13, 19)
"""ISO/IEC 7812: the lengths in use."""
CARD_START_MIN: Final = 4
CHECK_VALUE_MAX: Final = 4
DIGITS_MIN: Final = 3
"""A card's check value has three, or four."""
PHONE_DIGITS: Final = (7, 15)
OPEN_WORDS_MAX: Final = 12
"""Words behind a number after which the next turn does not go on with it."""
LEAD_WORDS_MAX: Final = 6
"""Words before a number that still goes on with that of the turn before."""
GROUPS_MAX: Final = 200
"""Numbers of one text that are looked at; with more, everything from the first one goes."""
_NUMBERS: Final = frozenset({"cards", "digits", "phones"})
_RESUMED_CARD: Final = re.compile(rf"\[card\](?:\W+\w+){{0,{OPEN_WORDS_MAX}}}\W*\Z")
SCATTER_WORDS_MAX: Final = 4
"""Words between two parts of a number that is written down together."""

# Issuers' numbers begin with these (ISO/IEC 7812): a year or a time of day does not.
_CARD_START: Final = re.compile(r"4|5[0-9]|6|3[04-9]|2[2-7]")
_SOME_CARD: Final = "4000"
"""Stands for the beginning of a card number that was taken out before the words came here."""
_EMAIL: Final = re.compile(r"[^\s@<>\"',;:]{1,64}@[^\s@<>\"',;:]{1,190}\.\w{2,24}")
_AT: Final = "at|arr?obase?|آت|ات|أت|[أا]روبا[زس]"
_SPOKEN_AT: Final = re.compile(rf"\s(?:{_AT})\s", re.IGNORECASE)
_DOT: Final = r"(?:\s+(?:dot|point|دوت|نقطة|نقطه|بوان)\s+|\.)"
_DASH: Final = (
    r"(?:underscore|dash|hyphen|tiret(?:\s+(?:bas|du\s+(?:bas|six|huit|[68])))?"
    r"|شرطة(?:\s+سفلية)?|داش|[أا]ندر\s?سكور)"
)
_PART: Final = r"[^\W_][\w-]{0,40}"
_SPOKEN_EMAIL: Final = re.compile(
    rf"{_PART}(?:(?:{_DOT}|\s+{_DASH}\s+){_PART}){{0,4}}"
    rf"\s+(?:{_AT})\s+{_PART}(?:(?:{_DOT}|\s+{_DASH}\s+){_PART}){{0,4}}{_DOT}{_PART}",
    re.IGNORECASE,
)
_CORRECTIONS: Final = frozenset(
    map(
        bare,
        (
            *("no", "sorry", "wait", "actually", "rather", "oops", "mean", "mistake", "wrong"),
            *("non", "pardon", "désolé", "désolée", "plutôt", "attendez", "attends", "enfin"),
            *("excusez", "erreur", "trompé", "trompée", "corrige", "reprends"),
            *("لا", "لأ", "آسف", "آسفة", "متأسف", "متأسفة", "عفوا", "معذرة", "المعذرة", "عذرا"),
            *("أقصد", "نقصد", "قصدي", "أعني", "بل", "خطأ", "غلط", "غلطت", "لحظة"),
            *("سامحني", "سامحيني", "سامحوني", "اسمحلي", "اسمحيلي", "اسمحولي", "استنى"),
        ),
    )
)
_FILLERS: Final = _CORRECTIONS | frozenset(
    map(
        bare,
        (
            *("and", "then", "uh", "um", "er", "hmm", "dash", "hyphen", "space", "yes", "ok"),
            *("okay", "so", "well", "i", "it's", "that's", "is", "my"),
            *("et", "puis", "euh", "tiret", "espace", "oui", "alors", "c'est", "voilà", "ça", "ah"),
            *("bah", "ben", "donc", "ensuite", "après", "je", "me", "m'excuse", "suis", "moi"),
            *("و", "ثم", "نعم", "يعني", "هو", "هي", "بعد", "بعدها", "بعدين", "وبعد", "وبعدين"),
            *("طيب", "حسنا", "تمام", "أوكي", "أيوه", "أيوا", "إيه", "إي", "آه", "أه", "شرطة"),
            *("باهي", "زين", "مسافة", "فراغ", "مبعد", "من", "أنا"),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class _Run:
    """Groups of digits with nothing but hesitation and corrections between them."""

    digits: str
    start: int
    end: int
    first_word: int
    last_word: int
    bounds: tuple[int, ...]
    """Where in `digits` a group begins or ends: a number read out begins and ends at one."""
    corrected: bool
    flood: bool = False
    """Whether there are too many numbers to look at each."""

    @classmethod
    def of(cls, groups: Sequence[DigitGroup], *, corrected: bool) -> _Run:
        first, last = groups[0], groups[-1]
        ends = accumulate(len(group.digits) for group in groups)
        return cls(
            digits="".join(group.digits for group in groups),
            start=first.start,
            end=last.end,
            first_word=first.first_word,
            last_word=last.last_word,
            bounds=(0, *ends),
            corrected=corrected,
        )


class Redactor:
    """Redaction for one call: remembers of each speaker which number is being read out."""

    def __init__(self, switches: Iterable[RedactSwitch]) -> None:
        self._switches = frozenset(switches)
        self._tails: dict[str, str] = {}
        """By speaker: the digits with which their last turn ended, and those before."""

    def turn(self, who: str, text: str) -> str:
        """Return the words of one turn of this speaker; turns come in order."""
        if not self._switches:
            return text
        runs, words = _runs(text)
        if not runs:
            if _RESUMED_CARD.search(text):  # by another process: its digits are not known here
                self._tails[who] = _SOME_CARD
            elif words > LEAD_WORDS_MAX:
                self._tails[who] = ""
            return self._addresses(text)
        before = self._continued(who, runs[0])
        behind = words - runs[-1].last_word - 1
        labels = [
            self._label(
                run,
                before=before if not index else "",
                is_open=index == len(runs) - 1 and behind <= OPEN_WORDS_MAX,
            )
            for index, run in enumerate(runs)
        ]
        self._mark_scattered_cards(runs, labels)
        digits = (before if len(runs) == 1 else "") + runs[-1].digits
        self._tails[who] = digits if behind <= OPEN_WORDS_MAX else ""
        return self._addresses(_masked(text, zip(runs, labels, strict=True)))

    def _continued(self, who: str, run: _Run) -> str:
        """Return the digits of earlier turns with which this number goes on."""
        tail = self._tails.get(who, "")
        if not tail or run.first_word > LEAD_WORDS_MAX:
            return ""
        if _card_windows(tail, range(len(tail) + 1)):  # complete: only its check value follows
            return tail if len(run.digits) <= CHECK_VALUE_MAX and not _begins(run.digits) else ""
        return tail if len(tail) + len(run.digits) <= CARD_DIGITS[1] + CHECK_VALUE_MAX else ""

    def text(self, text: str) -> str:
        """Return a text that stands alone: a message, an argument, a field."""
        if not self._switches:
            return text
        runs, _ = _runs(text)
        labels = [self._label(run, before="", is_open=False) for run in runs]
        self._mark_scattered_cards(runs, labels)
        return self._addresses(_masked(text, zip(runs, labels, strict=True)))

    def value(self, value: Any) -> Any:
        """Return a JSON value with its texts, and numbers that are as long as one, redacted."""
        if not self._switches:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float):
            text = str(value)
            redacted = self.text(text)
            return value if redacted == text else redacted
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value

    def _label(self, run: _Run, *, before: str, is_open: bool) -> str | None:
        """Return what is put in the place of a run; None leaves it."""
        digits, switches = before + run.digits, self._switches
        if run.flood and not switches.isdisjoint(_NUMBERS):
            return "[digits]"
        if "cards" in switches and self._is_card(run, before=before, is_open=is_open):
            return "[card]"
        low, high = PHONE_DIGITS
        if "phones" in switches and low <= len(digits) <= high:
            return "[phone]"
        if "digits" in switches and len(digits) >= DIGITS_MIN:
            return "[digits]"
        return None

    @staticmethod
    def _is_card(run: _Run, *, before: str, is_open: bool) -> bool:
        if _card_windows(run.digits, run.bounds):
            return True
        before = before if _CARD_START.match(before) else ""
        digits = before + run.digits
        low, high = CARD_DIGITS
        if before or run.corrected:  # one that goes on, or whose digits are not all meant
            return _begins(digits)
        return is_open and _begins(digits) and not low <= len(digits) <= high

    def _mark_scattered_cards(self, runs: list[_Run], labels: list[str | None]) -> None:
        """Mark runs with a few other words between them that make a card number together."""
        if "cards" not in self._switches:
            return
        for first, last in _chains(runs):
            chain = runs[first:last]
            ends = list(accumulate(len(run.digits) for run in chain))
            for start, end in _card_windows("".join(run.digits for run in chain), (0, *ends)):
                for index in range(bisect_right(ends, start), bisect_left(ends, end) + 1):
                    labels[first + index] = "[card]"

    def _addresses(self, text: str) -> str:
        if "emails" not in self._switches:
            return text
        if "@" in text:
            text = _EMAIL.sub("[email]", text)
        return _SPOKEN_EMAIL.sub("[email]", text) if _SPOKEN_AT.search(text) else text


def _runs(text: str) -> tuple[list[_Run], int]:
    groups, words = digit_groups(text)
    if len(groups) > GROUPS_MAX:  # nobody speaks like that: all of it goes
        flood = _Run.of(groups[:GROUPS_MAX], corrected=True)
        return [replace(flood, end=len(text), last_word=words - 1, flood=True)], words
    runs: list[_Run] = []
    run: list[DigitGroup] = []
    corrected = False
    for group in groups:
        between = _between(text, run[-1].end, group.start) if run else _NOTHING
        if between <= _FILLERS:
            corrected = corrected or not between.isdisjoint(_CORRECTIONS)
        else:
            runs.append(_Run.of(run, corrected=corrected))
            run, corrected = [], False
        run.append(group)
    if run:
        runs.append(_Run.of(run, corrected=corrected))
    return runs, words


_NOTHING: Final[frozenset[str]] = frozenset()


def _between(text: str, start: int, end: int) -> frozenset[str]:
    if end - start <= 1:  # as between most words
        return _NOTHING
    return frozenset(map(bare, WORD.findall(text[start:end])))


def _masked(text: str, runs: Iterable[tuple[_Run, str | None]]) -> str:
    return "".join(_pieces(text, runs))


def _pieces(text: str, runs: Iterable[tuple[_Run, str | None]]) -> Iterator[str]:
    at = 0
    for run, label in runs:
        if label is None:
            continue
        start = (
            run.start - 1
            if label == "[phone]" and text[run.start - 1 : run.start] == "+"
            else run.start
        )
        yield text[at:start]
        yield label
        at = run.end
    yield text[at:]


def _chains(runs: list[_Run]) -> Iterator[tuple[int, int]]:
    """Yield from and to of runs that stand close to one another, where there are several."""
    first = 0
    for index in range(1, len(runs) + 1):
        if index < len(runs):
            between = runs[index].first_word - runs[index - 1].last_word - 1
            if between <= SCATTER_WORDS_MAX:
                continue
        if index - first > 1:
            yield first, index
        first = index


def _begins(digits: str) -> bool:
    """Return whether these may be the first digits of a card number."""
    return len(digits) >= CARD_START_MIN and _CARD_START.match(digits) is not None


def _card_windows(digits: str, bounds: Sequence[int]) -> list[tuple[int, int]]:
    """Return from and to of each card number that begins and ends at one of the bounds.

    The check digit is that of ISO/IEC 7812-1, annex B (Luhn). A line of four thousand digits takes
    a few milliseconds, since the sums of all windows come from running sums.
    """
    low, high = CARD_DIGITS
    if len(digits) < low:
        return []
    values = [int(char) for char in digits]
    # Running sums with the doubled digits at even places, and at odd ones.
    sums = [
        list(
            accumulate(
                (_DOUBLED[v] if i % 2 == odd else v for i, v in enumerate(values)), initial=0
            )
        )
        for odd in (0, 1)
    ]
    ends = set(bounds)
    return [
        (start, end)
        for start in bounds
        if _CARD_START.match(digits, start)
        for end in range(start + low, min(start + high, len(digits)) + 1)
        if end in ends and (sums[end % 2][end] - sums[end % 2][start]) % 10 == 0
    ]


_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
