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
    | (?:record|say|state|tell \s+ me) \s+ who .{0,40} (?:\bwhy\b|reason|purpose|\babout\b)
    | \bbefore \s+ I .{0,20} (?:connect|put) \s+ you\b
    | \bI(?:['\u2019]m|\s+am) \s+ (?:[\w'\u2019]+\s+){0,4}
      (?:virtual|digital|automated) \s+ assistant\b
    | \bje \s+ suis \s+ (?:l['\u2019]|un\s+|une\s+) assistante? \s+
      (?:vocale?|virtuelle?|num\u00e9rique)
    | أنا \s+ (?:ال)?مساعد[ةه]? \s+ (?:ال)?(?:[اإ]فتراضي|صوتي|رقمي|[آا]لي)
    | filtrage \s+ (?:d['\u2019]|des\s+|de\s+l['\u2019])appels? | service \s+ de \s+ filtrage
    | (?:enregistr|dites|dire|indiqu|donn|précis) .{0,40} \bnoms?\b
      .{0,80} (?:raison|motif|pourquoi|objet)
    | (?:enregistr|dites|dire|indiqu|donn|précis) .{0,40} (?:raison|motif|pourquoi|objet)
      .{0,60} \bvotre \s+ nom\b
    | (?:présent|identifi)(?:ez|er)[\s-]vous .{0,60} (?:raison|motif|pourquoi|objet)
    | (?:[اإ]سمكم?|ال[اإ]سم) .{0,80} (?:سبب|لماذا|غرض)
    | (?:سبب|غرض) \s+ \S*(?:اتصال|مكالم)\S* .{0,40} [اإ]سمكم?\b
    | عر(?:ف|فوا) \s+ (?:ب|عن\s+)?(?:نفسك|أنفسكم) .{0,60} (?:سبب|لماذا|غرض)
    | (?:فحص|تصفية|فلترة|فرز) \s+ المكالمات
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_MARKS: Final = re.compile("[\u0640\u064b-\u0652]")
"""Vowel marks, and the stroke that only makes a word wider."""
_HAS_ONE_WAIT: Final = re.compile(
    r"""
    (?:stay|hold|wait) \s+ (?:on|the) | please \s+ (?:hold|wait)
    | one \s+ moment | just \s+ a \s+ moment
    | (?:see|check|find\ out) \s+ if .{0,60} available | will \s+ be \s+ (?:right\s+)? with \s+ you
    | ne \s+ (?:quittez|raccrochez) \s+ pas | rest(?:ez|er) \s+ en \s+ ligne
    | (?:un|quelques) \s+ (?:petits?\s+)? (?:instants?|moments?)\b | patient(?:ez|er)
    | (?:voir|verr\w*|v\u00e9rifi\w*) \s+ si .{0,60} disponible
    | (?<!كنت\s)انتظر | لحظة | لحظات | (?:ابق|ابقوا|إبق|البقاء) \s+ (?:على|معي|معنا)
    | (?:يرجى|الرجاء|نرجو|أرجو) \s+ الانتظار | خلي(?:ك|كم) \s+ (?:على|ع|معي|معنا)
    | (?:استنى|ما \s* تقطعش|ما \s* تسكرش)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def asks_who_calls(words: str) -> bool:
    """Return whether these are the words of an assistant that asks who calls, and why."""
    return _ASKS.search(_MARKS.sub("", words)) is not None


def has_one_wait(words: str) -> bool:
    """Return whether these are the words of an assistant that has the other side wait."""
    return asks_who_calls(words) or _HAS_ONE_WAIT.search(_MARKS.sub("", words)) is not None
