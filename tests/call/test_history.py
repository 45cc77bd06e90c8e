"""The history of a call: what each item keeps, its bounds, and what a new session is told."""

from __future__ import annotations

from gateway import limits
from gateway.call.history import ConversationHistory, HistoryItem, HistoryReplay


def texts(history: ConversationHistory) -> list[tuple[str, str]]:
    return [(item.kind, item.text) for item in history.items]


def test_a_sentence_that_was_cut_keeps_what_was_heard_of_it() -> None:
    history = ConversationHistory()
    history.model_sounds("item_1", 1000)
    history.model_says("item_1", "one two three four")
    history.cut("item_1", 500)
    history.model_said("item_1", "one two three four five six")
    assert texts(history) == [("model", "one two")]


def test_words_of_a_turn_come_after_the_turn() -> None:
    history = ConversationHistory()
    history.caller_spoke("turn_1")
    history.model_said("item_1", "Hello.")
    history.caller_said("turn_1", "Good morning.")
    assert texts(history) == [("caller", "Good morning."), ("model", "Hello.")]
    assert not history.caller_was_last


def test_a_function_without_an_output_is_not_replayed_until_it_has_one() -> None:
    history = ConversationHistory()
    history.called("call_1", "stock", "{}")
    assert history.replay() == []
    call = history.answered("call_1", "three left")
    assert call is not None
    assert call.name == "stock"
    assert history.answered("call_1", "again") is None
    assert [item["type"] for item in history.replay()] == ["function_call", "function_call_output"]


def test_a_function_and_its_output_are_kept_up_to_their_bound() -> None:
    history, most = ConversationHistory(), limits.call.TRANSCRIPT_LINE_MAX_CHARS
    history.called("call_1", "stock", "a" * (most + 1))
    history.called("call_1", "another", "{}")
    history.answered("call_2", "of no call")
    history.answered("call_1", "b" * (most + 1))
    assert history.items == [
        HistoryItem("call", 1, "a" * most, "", "call_1", "stock"),
        HistoryItem("output", 2, "b" * most, "", "call_1"),
    ]


def test_what_is_open_is_answered_in_words() -> None:
    history = ConversationHistory()
    history.called("call_1", "transfer", "{}")
    history.called("call_2", "stock", "{}")
    left = history.interrupted({"transfer": "nobody took it"}, "not known")
    assert left == [("call_1", "nobody took it"), ("call_2", "not known")]
    assert history.interrupted({}, "not known") == []


def test_the_oldest_go_beyond_the_bounds() -> None:
    history = ConversationHistory()
    for n in range(limits.call.HISTORY_ITEMS_MAX + 3):
        history.caller_said(f"turn_{n}", "x" * 10)
    assert len(history.items) == limits.call.HISTORY_ITEMS_MAX
    assert history.items[0].item_id == "turn_3"
    assert history.chars == 10 * limits.call.HISTORY_ITEMS_MAX
    history.caller_said("long", "y" * (limits.call.HISTORY_MAX_CHARS + 1))
    assert history.chars <= limits.call.HISTORY_MAX_CHARS
    assert history.items[-1].item_id == "long"


def test_just_so_many_words_are_kept() -> None:
    line = limits.call.TRANSCRIPT_LINE_MAX_CHARS
    lines, rest = divmod(limits.call.HISTORY_MAX_CHARS, line)
    history = ConversationHistory()
    for n in range(lines):
        history.caller_said(f"turn_{n}", "x" * line)
    history.caller_said("last", "x" * rest)
    assert (len(history.items), history.chars) == (lines + 1, limits.call.HISTORY_MAX_CHARS)
    history.caller_said("more", "x")
    assert history.items[0].item_id == "turn_1"


def test_a_sentence_that_was_heard_to_its_end_is_not_cut() -> None:
    """What was heard to its last millisecond is not cut at all."""
    history = ConversationHistory()
    history.model_sounds("item_1", 1000)
    history.model_says("item_1", "one  two")
    history.cut("item_1", 1000)
    assert texts(history) == [("model", "one  two")]


def test_a_later_state_brings_only_the_differences() -> None:
    known = [HistoryItem("caller", 1, "Hi.", "turn_1"), HistoryItem("model", 2, "I see", "item_1")]
    history = ConversationHistory(list(known))
    assert len(history.replay()) == 2
    later = [
        known[0],
        HistoryItem("model", 2, "I see that.", "item_1"),
        HistoryItem("caller", 3, "Yes."),
    ]
    news = history.catch_up(later)
    assert [(one.item.text, one.after, one.replaces) for one in news] == [
        ("I see that.", "history_1", True),
        ("Yes.", "history_2", False),
    ]
    assert history.correction("item_1") == HistoryReplay(later[1], "history_1")


def test_what_a_later_state_brought_is_known_to_the_session() -> None:
    history = ConversationHistory()
    assert history.replay() == []
    history.catch_up([HistoryItem("model", 1, "I see that.", "item_1", sound_ms=1000.0)])
    history.cut("item_1", 0)
    assert history.correction("item_1") == HistoryReplay(history.items[0], "root")


def test_a_correction_is_of_what_this_session_was_told() -> None:
    """The session before it was told of an item that nobody heard after all."""
    history = ConversationHistory()
    history.caller_said("turn_1", "Hi.")
    history.model_sounds("item_1", 1000)
    history.model_says("item_1", "one two")
    assert len(history.replay()) == 2
    assert history.correction("item_1") == HistoryReplay(history.items[1], "history_1")
    history.cut("item_1", 0)
    assert len(history.replay()) == 1
    assert history.correction("item_1") is None
    assert history.correction("turn_1") == HistoryReplay(history.items[0], "root")


def test_an_output_whose_call_was_forgotten_is_not_replayed() -> None:
    history = ConversationHistory([HistoryItem("output", 7, "three left", call_id="call_1")])
    assert history.replay() == []


def test_only_turns_after_a_number_count() -> None:
    history = ConversationHistory()
    assert (history.last_number, history.turns_since(0)) == (0, 0)
    history.caller_spoke("turn_1")
    history.model_says("item_1", "Yes?")
    history.caller_spoke("turn_2")
    assert [history.turns_since(number) for number in range(4)] == [2, 1, 1, 0]


def test_only_calls_of_these_functions_are_answered() -> None:
    history = ConversationHistory()
    history.called("call_1", "transfer", "{}")
    history.called("call_2", "stock", "{}")
    history.answer_open(["transfer"], "nobody took it")
    assert texts(history)[2:] == [("output", "nobody took it")]
    assert history.items[2].call_id == "call_1"


def test_turns_without_words_are_bounded_too_and_the_oldest_is_unknown() -> None:
    history = ConversationHistory()
    history.caller_said("turn_of_long_ago", "Hello?")
    for n in range(limits.call.HISTORY_ITEMS_MAX):
        history.caller_spoke(f"turn_{n}")
    assert len(history.items) == limits.call.HISTORY_ITEMS_MAX
    assert history.words_of("turn_of_long_ago") == ""
    history.caller_spoke("turn_of_long_ago")
    assert history.items[-1].item_id == "turn_of_long_ago"
