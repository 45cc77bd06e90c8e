"""Withheld caller numbers: what carriers send in place of a number means that there is none."""

from __future__ import annotations

from typing import Final

_WORDS: Final = frozenset(
    {"anonymous", "restricted", "blocked", "unknown", "unavailable", "private", "withheld"}
)
# The same words as Twilio spells them on a telephone's keys, behind a plus sign.
_SPELLED: Final = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})


def known_party(party: str) -> str:
    """Return a number or address as it is, "" for one that is withheld.

    Callers who withhold their numbers must not share a limit, be texted, or be taken for one
    person. Sources: Twilio, "Why am I getting calls from these strange numbers?"; RFC 3323 for
    `anonymous@anonymous.invalid`.
    """
    plain = party.strip().casefold()
    user = plain.removeprefix("sips:").removeprefix("sip:").removeprefix("tel:").partition("@")[0]
    if plain.partition("@")[2].endswith(".invalid"):
        return ""
    return "" if user in _WORDS or user.removeprefix("+") in _SPELLED else party
