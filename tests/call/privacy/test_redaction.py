"""Redaction: what goes, what stays, over turns, corrections and languages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.privacy.redaction import SWITCHES, Redactor
from gateway.call.privacy.spoken_digits import digit_groups

CARD = "4111111111111111"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
FRENCH = ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
ARABIC = ["صفر", "واحد", "اثنين", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة"]


def read_out(digits: str, words: list[str]) -> list[str]:
    return [words[int(digit)] for digit in digits]


def left(lines: list[str]) -> str:
    """All digits that are still there."""
    return "".join(group.digits for line in lines for group in digit_groups(line)[0])


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("My card is 4111 1111 1111 1111, thanks.", "My card is [card], thanks."),
        ("4111-1111-1111-1111", "[card]"),
        ("378282246310005", "[card]"),
        ("Order 1234567890123, please.", "Order 1234567890123, please."),
        ("It was on 12 March 2026 at 14:30.", "It was on 12 March 2026 at 14:30."),
        ("A table for four at seven thirty.", "A table for four at seven thirty."),
        ("First 4111 1111, later 1111 1111.", "First [card], later [card]."),
    ],
)
def test_cards_are_told_from_other_numbers(text: str, redacted: str) -> None:
    assert Redactor(["cards"]).turn("caller", text) == redacted
    assert Redactor(["cards"]).text(text) == redacted


@pytest.mark.parametrize(
    "number",
    [
        # As issuers and payment services publish them to test with.
        *("4111111111111111", "4012888888881881", "4242424242424242", "4000056655665556"),
        *("4222222222222", "5555555555554444", "5105105105105100", "5200828282828210"),
        *("2223003122003222", "378282246310005", "371449635398431", "378734493671000"),
        *("6011111111111117", "6011000990139424", "30569309025904", "38520000023237"),
        *("3530111333300000", "3566002020360505", "6200000000000005", "6759649826438453"),
    ],
)
def test_a_card_of_each_issuer_is_known_by_its_check_digit(number: str) -> None:
    redactor = Redactor(["cards"])
    assert redactor.text(f"Card {number}.") == "Card [card]."
    for digit in sorted(set("0123456789") - {number[-1]}):
        assert redactor.text(number[:-1] + digit) == number[:-1] + digit


@pytest.mark.parametrize(
    "text",
    [
        "fifty, five, twelve, thirteen, fourteen, fifteen, sixteen, seventeen, five",
        "quarante, deux, douze, treize, quatorze, quinze, seize, dix-sept, cinq",
    ],
)
def test_a_card_is_found_however_its_digits_are_grouped(text: str) -> None:
    """A comma ends a number: "fifty, five" are three digits, and "fifty-five" are two."""
    assert Redactor(["cards"]).turn("caller", text) == "[card]"


@pytest.mark.parametrize("words", [WORDS, FRENCH, ARABIC])
@pytest.mark.parametrize("size", [4, 5, 8, 16])
def test_a_card_that_is_read_out_over_several_turns(words: list[str], size: int) -> None:
    redactor, lines = Redactor(["cards"]), []
    for at in range(0, len(CARD), size):
        spoken = " ".join(read_out(CARD[at : at + size], words))
        lines.append(redactor.turn("caller", f"{spoken}."))
        redactor.turn("agent", "Yes, go on.")
    assert left(lines) == ""


@pytest.mark.parametrize("switch", ["cards", "digits"])
@pytest.mark.parametrize(
    "turns",
    [
        ["four one one one ... no, sorry, five five five five, four four four four"],
        ["four one one one", "no wait, four two four two", "four two four two four two four two"],
        ["quatre un un un euh non pardon quatre deux quatre deux quatre deux quatre deux"],
        ["أربعة واحد واحد واحد لا عفوا خمسة خمسة خمسة خمسة"],
        ["4111 1111", "um, and then 1111", "1111", "the code is 737"],
        ["أربعة واحد واحد واحد، عفوًا، خمسة وستة وسبعة"],
        ["أربعة وواحد وواحد وواحد لا لا سامحني نقصد خمسة خمسة خمسة خمسة"],
        ["quatre un un un, ah non, je me suis trompée, excusez-moi, cinq cinq cinq cinq"],
        ["quarante et un onze", "onze onze, c’est ça, onze onze", "onze onze"],
        ["4111 1111 1111 1111", "sept cent trente-sept"],
        ["4111 1111 1111 1111", "سبعمية وسبعة وثلاثين"],
    ],
)
def test_corrections_and_pauses_hide_nothing(turns: list[str], switch: str) -> None:
    redactor = Redactor([switch])  # type: ignore[list-item] # one of them
    lines = [redactor.turn("caller", turn) for turn in turns]
    assert left(lines) == ""


def test_each_speaker_is_followed_alone() -> None:
    redactor = Redactor(["cards"])
    assert redactor.turn("caller", "four one one one") == "[card]"
    assert redactor.turn("agent", "one two three") == "one two three"
    assert redactor.turn("caller", "one one one one") == "[card]"


def test_what_is_said_after_other_words_is_another_number() -> None:
    redactor = Redactor(["cards"])
    redactor.turn("caller", "four one one one")
    redactor.turn("caller", "Let us do that later, I would rather like to book a table.")
    assert redactor.turn("caller", "For one two three people.") == "For one two three people."


@pytest.mark.parametrize(
    ("switch", "text", "redacted"),
    [
        ("digits", "My code is one two three.", "My code is [digits]."),
        ("digits", "Two rooms.", "Two rooms."),
        ("phones", "Call +216 71 123 456 back.", "Call [phone] back."),
        ("phones", "Room 1204.", "Room 1204."),
        ("emails", "Write to jo.smith@example.com!", "Write to [email]!"),
        ("emails", "jo dot smith at example dot com", "[email]"),
        ("emails", "jean tiret luc arobase exemple point fr", "[email]"),
        ("phones", "vingt et un, cent vingt-trois, quatre cent cinquante-six", "[phone]"),
        ("phones", "رقمي واحد وعشرين مية وثلاثة وعشرين أربعمية وستة وخمسين", "رقمي [phone]"),
        ("phones", "صفر خمسة دبل زيرو واحد اثنين وثلاثة أربعة", "[phone]"),
        ("digits", "Le code est sept cent trente-sept.", "Le code est [digits]."),
        ("emails", "jean tiret du huit luc arobase mon tiret site point tn", "[email]"),
        ("emails", "amal نقطة trabelsi آت gmail نقطة com", "[email]"),
        ("emails", "amal شرطة سفلية t أروباز topnet بوان tn", "[email]"),
        ("emails", "Meet me at the door.", "Meet me at the door."),
    ],
)
def test_each_switch_takes_out_its_own(switch: str, text: str, redacted: str) -> None:
    assert Redactor([switch]).text(text) == redacted  # type: ignore[list-item] # one of them


def words(count: int) -> str:
    return " ".join(["la"] * count)


@pytest.mark.parametrize(
    ("switch", "text", "redacted"),
    [
        ("digits", "1 2", "1 2"),
        ("digits", "1 2 3", "[digits]"),
        ("phones", "123456", "123456"),
        ("phones", "1234567", "[phone]"),
        ("phones", "123456789012345", "[phone]"),
        ("phones", "1234567890123456", "1234567890123456"),
        ("phones", "+1234567, +", "[phone], +"),
        ("cards", f"4111 1111 {words(4)} 1111 1111", f"[card] {words(4)} [card]"),
        ("cards", f"4111 1111 {words(5)} 1111 1111", f"4111 1111 {words(5)} 1111 1111"),
        ("cards", "7 la 41111111 la 11111111 la 7", "7 la [card] la [card] la 7"),
        ("cards", "4111, no, 123", "[card]"),
        ("cards", "411, no, 5", "[card]"),
        ("cards", "Room 7 has 4000 lamps.", "Room 7 has 4000 lamps."),
        ("cards", "41, no, 5", "41, no, 5"),
    ],
)
def test_numbers_of_just_that_length_and_just_that_far_apart(
    switch: str, text: str, redacted: str
) -> None:
    assert Redactor([switch]).text(text) == redacted  # type: ignore[list-item] # one of them


@pytest.mark.parametrize(("size", "is_card"), [(12, False), (13, True), (19, True), (20, False)])
def test_a_card_number_has_thirteen_to_nineteen_digits(size: int, is_card: bool) -> None:
    number = with_check_digit("4" + "1" * (size - 2))
    assert Redactor(["cards"]).text(number) == ("[card]" if is_card else number)


@pytest.mark.parametrize(("behind", "is_open"), [(12, True), (13, False)])
def test_a_number_far_from_the_end_of_its_turn_does_not_go_on(behind: int, is_open: bool) -> None:
    said = Redactor(["cards"]).turn("caller", f"4111 {words(behind)}")
    assert said == f"{'[card]' if is_open else '4111'} {words(behind)}"


@pytest.mark.parametrize("digits", ["411", "4111", "41111"])
def test_what_may_be_the_beginning_of_a_card_goes_at_once(digits: str) -> None:
    """Three digits are nobody's card, and stay; in a text that stands alone nothing follows."""
    left_over = digits if len(digits) < 4 else "[card]"
    assert Redactor(["cards"]).turn("caller", digits) == left_over
    assert Redactor(["cards"]).text(digits) == digits


@pytest.mark.parametrize(
    ("before", "behind", "goes_on"), [(6, 12, True), (7, 0, False), (0, 13, False)]
)
def test_a_number_goes_on_in_the_next_turn_if_few_words_are_between(
    before: int, behind: int, goes_on: bool
) -> None:
    redactor = Redactor(["cards"])
    redactor.turn("caller", f"4111 1111 {words(behind)}")
    redactor.turn("caller", words(6))
    more = f"{words(before)} 1111 1111".strip()
    assert redactor.turn("caller", more) == (f"{words(before)} [card]".strip() if goes_on else more)


@pytest.mark.parametrize(("between", "goes_on"), [(6, True), (7, False)])
def test_a_turn_without_digits_ends_a_number_if_it_is_long(between: int, goes_on: bool) -> None:
    redactor = Redactor(["cards"])
    redactor.turn("caller", "4111 1111")
    assert redactor.turn("caller", words(between)) == words(between)
    assert redactor.turn("caller", "1111 1111") == ("[card]" if goes_on else "1111 1111")


@pytest.mark.parametrize(
    ("code", "goes"), [("737", True), ("1234", True), ("12345", False), ("4111", True)]
)
def test_a_check_value_follows_on_a_complete_card(code: str, goes: bool) -> None:
    """It has three digits, or four; four that may begin a card go for that reason."""
    redactor = Redactor(["cards"])
    assert redactor.turn("caller", CARD) == "[card]"
    assert redactor.turn("caller", code) == ("[card]" if goes else code)


@pytest.mark.parametrize(
    ("more", "goes_on"), [("1" * 18, True), ("1" * 19, True), ("1" * 20, False)]
)
def test_digits_beyond_the_longest_card_and_its_check_value_are_another_number(
    more: str, goes_on: bool
) -> None:
    redactor = Redactor(["cards"])
    assert redactor.turn("caller", "4112") == "[card]"
    assert redactor.turn("caller", more) == ("[card]" if goes_on else more)


def test_as_many_numbers_of_one_text_as_are_looked_at() -> None:
    for numbers, redacted in ((200, "1 x " * 200), (201, "[digits]")):
        assert Redactor(["cards"]).text("1 x " * numbers) == redacted
    # With nothing to take out of numbers, even so many of them stay.
    assert Redactor(["emails"]).text("1 x " * 201) == "1 x " * 201


def test_values_keep_their_shape() -> None:
    value = {"card": CARD, "number": int(CARD), "sum": 12.5, "list": [CARD, None], "new": True}
    assert Redactor(["cards"]).value(value) == {
        "card": "[card]",
        "number": "[card]",
        "sum": 12.5,
        "list": ["[card]", None],
        "new": True,
    }


def test_without_a_switch_nothing_is_touched() -> None:
    assert Redactor([]).turn("caller", CARD) == CARD
    assert Redactor([]).value({"a": CARD}) == {"a": CARD}


def test_a_flood_of_numbers_goes_as_a_whole() -> None:
    assert Redactor(["cards"]).turn("caller", "well, " + "1 x " * 900) == "well, [digits]"


_PAN = st.from_regex(re.compile(r"4[0-9]{14}"), fullmatch=True)


def with_check_digit(digits: str) -> str:
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits))]
    total = sum(d - 9 if d > 9 else d for d in doubled)
    return digits + str(-total % 10)


@given(_PAN, st.lists(st.integers(1, 6), min_size=1, max_size=12), st.booleans())
def test_no_more_than_the_first_digits_of_any_card_are_left(
    start: str, sizes: list[int], spoken: bool
) -> None:
    """Whatever the pauses: what is left is the beginning, before it could be one of a card."""
    digits, redactor, lines = with_check_digit(start), Redactor(["cards"]), []
    while digits:
        size = sizes.pop(0) if sizes else len(digits)
        piece, digits = digits[:size], digits[size:]
        text = " ".join(read_out(piece, WORDS)) if spoken else piece
        lines.append(redactor.turn("caller", text))
    assert len(left(lines)) <= 3


@given(st.text(max_size=200), st.sets(st.sampled_from(SWITCHES)))
def test_any_text_is_taken(text: str, switches: set[str]) -> None:
    redactor = Redactor(switches)  # type: ignore[arg-type] # drawn from them
    assert isinstance(redactor.turn("caller", text), str)
    assert isinstance(redactor.text(text), str)


def test_a_number_whose_beginning_was_taken_out_by_another_process_goes_on() -> None:
    """A call that is resumed knows its history as it was stored."""
    redactor = Redactor(["cards"])
    assert redactor.turn("caller", "It is [card].") == "It is [card]."
    assert redactor.turn("model", "Go on.") == "Go on."
    assert redactor.turn("caller", "one one one one") == "[card]"
    assert redactor.turn("caller", "and one one one one, please") == "and [card], please"
    after = Redactor(["cards"])
    after.turn(
        "caller", "It is [card], and I want to ask about the new lamp that I have bought here"
    )
    assert after.turn("caller", "two of them") == "two of them"
    assert after.turn("caller", "one one one one") == "one one one one"
