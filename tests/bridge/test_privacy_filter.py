"""Redaction between a call and everything that follows it."""

from __future__ import annotations

from call_doubles import CallDouble

from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call import events
from gateway.call.history import ConversationHistory

CARD = "4111 1111 1111 1111"


def test_a_number_is_followed_over_the_turns_of_one_call_and_of_no_other() -> None:
    privacy, one, other = (
        PrivacyFilter(),
        CallDouble(redact=("cards",)),
        CallDouble(redact=("cards",)),
    )
    parts = [(one, "four one one one"), (other, "one one one one"), (one, "one one one one")]
    shown = [
        privacy.event(call, events.TranscriptLine("caller", text, "item_1")) for call, text in parts
    ]
    assert [event.text for event in shown if isinstance(event, events.TranscriptLine)] == [
        "[card]",
        "one one one one",
        "[card]",
    ]


def test_messages_arguments_and_results_lose_their_numbers_too() -> None:
    privacy, call = PrivacyFilter(), CallDouble(redact=("cards", "emails"))
    for event in (
        events.MessageTaken(CARD, "me@example.com", ""),
        events.ApprovalRequested("a", "bank", "pay", f'{{"card": "{CARD}"}}', 9.0),
        events.ResultFiled(
            "filed", "", 1, {"card": CARD}, {"card": [{"item_id": "i", "quote": CARD}]}, ()
        ),
    ):
        assert "4111" not in str(privacy.event(call, event))
        assert "me@example.com" not in str(privacy.event(call, event))


def test_other_events_and_other_agents_are_left_alone() -> None:
    privacy, call = PrivacyFilter(), CallDouble(redact=("cards",))
    tool = events.ToolCalled(CARD)
    assert privacy.event(call, tool) is tool
    line = events.TranscriptLine("caller", CARD, "item_1")
    assert privacy.event(CallDouble(), line) is line


def test_a_history_is_stored_without_numbers_and_told_whole_to_the_model() -> None:
    privacy, call, history = PrivacyFilter(), CallDouble(redact=("cards",)), ConversationHistory()
    history.caller_said("item_1", "four one one one")
    history.caller_said("item_2", "one one one one")
    history.called("call_1", "pay", f'{{"card": "{CARD}"}}')
    for _ in range(2):  # the second time from memory
        stored = privacy.history(call, history.items)
        assert [item.text for item in stored] == ["[card]", "[card]", '{"card": "[card]"}']
    assert history.items[0].text == "four one one one"


def test_switches_that_come_later_hold_for_a_number_that_is_being_read_out() -> None:
    privacy, call = PrivacyFilter(), CallDouble()
    call.history.caller_said("item_1", "four one one one")
    line = events.TranscriptLine("caller", "four one one one", "item_1")
    assert privacy.event(call, line) is line
    assert privacy.history(call, call.history.items)[0].text == "four one one one"
    call.redact = ("cards",)
    call.history.caller_said("item_2", "one one one one")
    line = events.TranscriptLine("caller", "one one one one", "item_2")
    shown = privacy.event(call, line)
    assert isinstance(shown, events.TranscriptLine)
    assert shown.text == "[card]"
    stored = privacy.history(call, call.history.items)
    assert [item.text for item in stored] == ["[card]", "[card]"]
