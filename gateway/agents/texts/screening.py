"""Sentences of a telephone's assistant, which asks who calls and why, and then has one wait.

As the assistants of Google and Apple say them, and their like, in English, French and Arabic.
"""

from __future__ import annotations

import re
from typing import Final

_ASKS: Final = re.compile(
    r"""
    screening \s+ (?:service|assistant) | call \s+ (?:screen|assist|assistant)\b
    | (?:record|say|state|tell|give) .{0,40} \b name\b .{0,80} (?:\bwhy\b|reason|purpose)
    | (?:reason|why) .{0,40} \b calling\b .{0,60} \b name\b
    | filtrage \s+ d(?:'|\u2019)appels
    | (?:enregistr|dites|dire|indiqu|donn) .{0,40} \bnoms?\b .{0,80} (?:raison|motif|pourquoi|objet)
    | (?:اسمك|اسمكم|الاسم) .{0,80} (?:سبب|لماذا|غرض|الغرض)
    | (?:فحص|تصفية) \s+ المكالمات
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_HAS_ONE_WAIT: Final = re.compile(
    r"""
    (?:stay|hold|wait) \s+ (?:on|the) | please \s+ (?:hold|wait)
    | one \s+ moment | just \s+ a \s+ moment
    | (?:see|check|find\ out) \s+ if .{0,60} available | will \s+ be \s+ (?:right\s+)? with \s+ you
    | ne \s+ quittez \s+ pas | (?:un|quelques) \s+ instants? | patient(?:ez|er)
    | (?:voir|v\u00e9rifi\w*) \s+ si .{0,60} disponible
    | انتظر | لحظة | لحظات | ابق \s+ على \s+ الخط | يرجى \s+ الانتظار
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def asks_who_calls(words: str) -> bool:
    """Return whether these are the words of an assistant that asks who calls, and why."""
    return _ASKS.search(words) is not None


def has_one_wait(words: str) -> bool:
    """Return whether these are the words of an assistant that has the other side wait."""
    return asks_who_calls(words) or _HAS_ONE_WAIT.search(words) is not None
