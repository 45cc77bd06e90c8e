"""Country calling codes of E.164 numbers."""

from __future__ import annotations

from typing import Final

# ITU-T E.164 annex, "List of assigned country codes": zones 1 and 7 have one digit, these two,
# every other code three.
_TWO_DIGITS: Final = {
    *("20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46"),
    *("47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63"),
    *("64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"),
}


def country_prefix(number: str) -> str:
    """Return the `+` and the country code of an E.164 number, such as `+44`; "" for another."""
    digits = number.removeprefix("+")
    if digits == number or not digits.isdigit() or not digits.isascii():
        return ""
    if digits[0] in "17":
        return f"+{digits[0]}"
    return f"+{digits[:2]}" if digits[:2] in _TWO_DIGITS else f"+{digits[:3]}"
