"""The model's side: answers, their events, their cost, and how they end early."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image
from session_rig import END_CALL, SessionRig

from gateway.simulator.audio.formats import WIRES
from gateway.simulator.openai.realtime.script import Script, parse_script
from gateway.simulator.openai.realtime.session import CROSSING_S

ANSWER = [
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def say(text: str) -> dict[str, Any]:
    return {"instructions": f'Say exactly this, word for word: "{text}"'}


def test_an_answer_is_told_in_the_documented_order() -> None:
    rig = SessionRig()
    since = len(rig.events)
    rig.send("response.create", response=say("Good morning to you."))
    rig.wait(5)
    assert rig.types(since) == ANSWER
    deltas = rig.of("response.output_audio_transcript.delta")
    assert "".join(d["delta"] for d in deltas) == "Good morning to you."
    response = rig.last("response.done")["response"]
    assert response["status"] == "completed"
    assert response["conversation_id"] == rig.events[1]["conversation"]["id"]
    assert response["output"][0]["content"] == [
        {"type": "output_audio", "transcript": "Good morning to you."}
    ]
    assert not rig.violations


@pytest.mark.parametrize("wire", ["audio/pcm", "audio/pcmu"])
def test_deltas_are_uneven_whole_samples_faster_than_real_time(wire: str) -> None:
    rig = SessionRig(Script(speed=4.0)).listen_in(wire)
    rig.send("response.create", response=say("word " * 40))
    rig.wait(6)
    sizes = [
        len(base64.b64decode(event["delta"])) for event in rig.of("response.output_audio.delta")
    ]
    sample = WIRES[wire].sample_bytes
    assert all(size % sample == 0 for size in sizes)
    assert any(size // sample % 2 for size in sizes)
    assert any(size % (20 * WIRES[wire].bytes_per_ms) for size in sizes)
    first = rig.times[rig.events.index(rig.of("response.output_audio.delta")[0])]
    last = rig.times[rig.events.index(rig.last("response.done"))]
    assert last - first == pytest.approx(sum(sizes) / WIRES[wire].bytes_per_ms / 4000, rel=0.01)


def test_the_first_sound_comes_after_the_think_time() -> None:
    rig = SessionRig(Script(think_ms=700))
    start = rig.now
    rig.send("response.create")
    rig.wait(3)
    first = rig.events.index(rig.of("response.output_audio.delta")[0])
    assert rig.times[first] - start == pytest.approx(0.7)


def test_only_one_response_at_a_time_on_the_conversation() -> None:
    rig = SessionRig()
    rig.send("response.create")
    answers = rig.send("response.create", event_id="second")
    assert rig.refusal(answers)[0] == "conversation_already_has_active_response"
    assert answers[0]["error"]["event_id"] == "second"
    beside = {**say("Out of band."), "conversation": "none", "metadata": {"topic": "x"}}
    created = rig.send("response.create", response=beside)[0]
    assert created["response"]["conversation_id"] is None
    assert created["response"]["metadata"] == {"topic": "x"}
    rig.wait(6)
    assert len(rig.of("response.done")) == 2
    assert len(rig.of("conversation.item.added")) == 1


def test_a_client_cancels() -> None:
    rig = SessionRig()
    rig.send("response.create", response=say("word " * 40))
    rig.wait(0.6)
    rig.send("response.cancel")
    done = rig.last("response.done")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert 0 < done["usage"]["output_token_details"]["audio_tokens"] < 100
    assert rig.refusal(rig.send("response.cancel"))[0] == "response_cancel_not_active"
    assert rig.send("response.create")[0]["type"] == "response.created"


def test_a_cancel_that_crosses_the_end_of_the_response_is_no_violation() -> None:
    rig = SessionRig()
    rig.send("response.create", response=say("word"))
    while not rig.of("response.done"):
        rig.wait(0.05)
    rig.send("response.cancel")
    assert [one["kind"] for one in rig.journal if "code" in one] == ["crossed"]
    rig.wait(CROSSING_S)
    rig.send("response.cancel")
    assert [one["kind"] for one in rig.journal if "code" in one] == ["crossed", "violation"]


def test_a_cancel_before_the_first_sound_leaves_an_empty_response() -> None:
    rig = SessionRig()
    response_id = rig.send("response.create")[0]["response"]["id"]
    rig.send("response.cancel", response_id=response_id)
    assert rig.last("response.done")["response"]["output"] == []


def spoken(rig: SessionRig) -> tuple[str, int]:
    """An item that was said whole, and its length."""
    rig.listen_in()
    rig.send("response.create", response=say("word " * 10))
    rig.wait(5)
    item_id = rig.last("response.output_audio.delta")["item_id"]
    return item_id, rig.audio_ms(item_id)


def test_truncation_removes_sound_and_transcript() -> None:
    rig = SessionRig()
    item_id, length_ms = spoken(rig)
    cut = {"item_id": item_id, "content_index": 0, "audio_end_ms": length_ms - 500}
    (answer,) = rig.send("conversation.item.truncate", **cut)
    assert answer["type"] == "conversation.item.truncated"
    assert {key: answer[key] for key in cut} == cut
    (found,) = rig.send("conversation.item.retrieve", item_id=item_id)
    assert found["item"]["content"] == [{"type": "output_audio"}]
    assert {"kind": "truncated", "item_id": item_id, "audio_end_ms": length_ms - 500} in rig.journal


@pytest.mark.parametrize("cut_first_ms", [None, 300])
def test_truncation_beyond_the_sound_is_the_documented_error(cut_first_ms: int | None) -> None:
    rig = SessionRig()
    item_id, length_ms = spoken(rig)
    where = {"item_id": item_id, "content_index": 0}
    if cut_first_ms is not None:
        rig.send("conversation.item.truncate", **where, audio_end_ms=cut_first_ms)
        length_ms = cut_first_ms
    rig.send("conversation.item.truncate", **where, audio_end_ms=length_ms)
    assert not rig.violations
    (answer,) = rig.send("conversation.item.truncate", **where, audio_end_ms=length_ms + 60)
    error = answer["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_value")
    assert error["message"] == (
        f"Audio content of {length_ms}ms is already shorter than {length_ms + 60}ms"
    )


def test_what_cannot_be_truncated() -> None:
    rig = SessionRig().listen_in()
    rig.talk().wait(3)
    mine = rig.last("input_audio_buffer.committed")["item_id"]
    for item_id, code in [
        ("item_nobody", "item_truncate_invalid_item_id"),
        (mine, "invalid_value"),
    ]:
        answers = rig.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0
        )
        assert rig.refusal(answers) == (code, "item_id")


def text_item(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return {"type": "message", "role": role, "content": content, **more}


def test_items_are_put_where_the_client_says() -> None:
    rig = SessionRig()
    create = "conversation.item.create"
    rig.send(create, item=text_item("one", id="item_1"))
    rig.send(create, item=text_item("three", id="item_3"))
    second = rig.send(create, item=text_item("two", id="item_2"), previous_item_id="item_1")
    assert [e["type"] for e in second] == ["conversation.item.added", "conversation.item.done"]
    assert second[0]["previous_item_id"] == "item_1"
    root = rig.send(create, item=text_item("zero", "system"), previous_item_id="root")
    assert root[0]["previous_item_id"] is None
    last = rig.send(create, item=text_item("four", "assistant"))
    assert last[0]["previous_item_id"] == "item_3"
    unknown = rig.send(create, item=text_item("x"), previous_item_id="item_x")
    assert rig.refusal(unknown) == ("invalid_value", "previous_item_id")
    assert rig.refusal(rig.send(create, item=text_item("x", id="item_1"))) == (
        "invalid_value",
        "item.id",
    )


def test_items_are_deleted_once() -> None:
    rig = SessionRig()
    rig.send("conversation.item.create", item=text_item("one", id="item_1"))
    assert rig.send("conversation.item.delete", item_id="item_1")[0]["type"] == (
        "conversation.item.deleted"
    )
    for kind in ("delete", "retrieve"):
        answers = rig.send(f"conversation.item.{kind}", item_id="item_1")
        assert rig.refusal(answers) == (f"item_{kind}_invalid_item_id", "item_id")


_TEAL = io.BytesIO()
Image.new("RGB", (8, 8), "teal").save(_TEAL, "PNG")
PNG = "data:image/png;base64," + base64.b64encode(_TEAL.getvalue()).decode()
TORN = "data:image/png;base64," + base64.b64encode(_TEAL.getvalue()[:40]).decode()


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (text_item("x", "assistant") | {"content": [{"type": "output_audio"}]}, "item.content[0]"),
        ({"type": "function_call_output", "call_id": "call_x", "output": ""}, "item.call_id"),
        (
            text_item("") | {"content": [{"type": "input_image", "image_url": "https://x/y.png"}]},
            "item.content[0].image_url",
        ),
        (
            text_item("")
            | {"content": [{"type": "input_image", "image_url": PNG.replace("png", "jpeg")}]},
            "item.content[0].image_url",
        ),
        (
            text_item("") | {"content": [{"type": "input_image", "image_url": TORN}]},
            "item.content[0].image_url",
        ),
        (text_item("") | {"content": [{"type": "input_text"}]}, "item.content[0].text"),
        ({"type": "mcp_list_tools", "server_label": "x", "tools": []}, "item.type"),
    ],
)
def test_items_that_clients_cannot_make(item: dict[str, Any], param: str) -> None:
    rig = SessionRig()
    assert rig.refusal(rig.send("conversation.item.create", item=item))[1] == param


def test_an_image_is_seen() -> None:
    rig = SessionRig()
    image = {"type": "input_image", "image_url": PNG}
    rig.send("conversation.item.create", item=text_item("") | {"content": [image]})
    rig.send("response.create")
    rig.wait(4)
    assert "picture" in rig.last("response.output_audio_transcript.done")["transcript"]
    usage = rig.last("response.done")["response"]["usage"]
    assert usage["input_token_details"]["image_tokens"] > 0


def test_max_output_tokens_ends_an_answer_incomplete() -> None:
    rig = SessionRig()
    rig.send("response.create", response={**say("word " * 60), "max_output_tokens": 40})
    rig.wait(5)
    response = rig.last("response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert 40 <= response["usage"]["output_tokens"] <= 60


def test_text_only() -> None:
    rig = SessionRig()
    rig.update(output_modalities=["text"])
    rig.send("response.create", response=say("Only in writing."))
    rig.wait(2)
    assert rig.last("response.output_text.done")["text"] == "Only in writing."
    assert not rig.of("response.output_audio.delta")
    assert rig.last("response.done")["response"]["usage"]["output_token_details"] == {
        "text_tokens": 4,
        "audio_tokens": 0,
    }


def test_the_whole_conversation_is_billed_each_time_and_its_head_is_cached() -> None:
    rig = SessionRig().listen_in()
    rig.update(instructions="Be kind. " * 100)
    rig.talk(2.4, 0.4).wait(6)
    first = rig.last("response.done")["response"]["usage"]
    item_id = rig.last("response.output_audio.delta")["item_id"]
    heard_ms = (
        rig.last("input_audio_buffer.speech_stopped")["audio_end_ms"]
        - rig.last("input_audio_buffer.speech_started")["audio_start_ms"]
    )
    said_tokens = -(-rig.audio_ms(item_id) // 50)
    assert first["input_token_details"]["audio_tokens"] == -(-heard_ms // 100)
    assert first["output_token_details"]["audio_tokens"] == said_tokens
    assert first["input_token_details"]["cached_tokens"] == 0
    assert first["total_tokens"] == first["input_tokens"] + first["output_tokens"]
    rig.send("response.create", response={"max_output_tokens": 100})
    rig.wait(6)
    second = rig.last("response.done")["response"]["usage"]["input_token_details"]
    assert second["audio_tokens"] == first["input_token_details"]["audio_tokens"] + said_tokens
    text_before = first["input_token_details"]["text_tokens"]
    assert second["cached_tokens_details"]["text_tokens"] == text_before // 64 * 64
    assert second["cached_tokens"] == sum(second["cached_tokens_details"].values())


def test_a_tool_is_called_after_the_words_and_its_output_is_answered() -> None:
    script = parse_script(
        "turns: [[{say: One moment.}, {call: {name: look_up, arguments: {city: Fes}}}]]"
    )
    rig = SessionRig(script).listen_in()
    rig.update(tools=[{"type": "function", "name": "look_up"}])
    rig.talk().wait(4)
    message, call = rig.last("response.done")["response"]["output"]
    assert message["type"] == "message"
    assert (call["name"], json.loads(call["arguments"])) == ("look_up", {"city": "Fes"})
    done = rig.last("response.function_call_arguments.done")
    assert (done["call_id"], done["name"]) == (call["call_id"], "look_up")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    rig.send("conversation.item.create", item=output)
    rig.send("response.create")
    rig.wait(4)
    assert "sunny" in rig.last("response.output_audio_transcript.done")["transcript"]
    assert not rig.violations


def test_a_tool_that_the_session_does_not_have_is_not_called() -> None:
    rig = SessionRig(parse_script("turns: [[{call: {name: nothing}}]]")).listen_in()
    rig.talk().wait(4)
    assert rig.last("response.done")["response"]["output"] == []
    assert rig.journal[-1]["kind"] == "skipped"


def test_scripted_mishaps() -> None:
    script = parse_script(
        """
        turns:
          - [{say: a b c}, {fail: {code: rate_limit_exceeded}}]
          - [{error: {code: server_error}}, {say: done}]
          - [{close: 1011, times: 1}]
        """
    )
    rig = SessionRig(script).listen_in()
    rig.talk().wait(4)
    failed = rig.last("response.done")["response"]
    assert failed["status"] == "failed"
    assert failed["status_details"]["error"]["code"] == "rate_limit_exceeded"
    rig.talk().wait(4)
    assert rig.last("error")["error"]["code"] == "server_error"
    assert rig.last("response.done")["response"]["status"] == "completed"
    rig.talk().wait(4)
    assert rig.closed
    assert rig.closed.code == 1011
    assert not rig.violations


def test_a_stall_silences_the_server_and_then_everything_comes() -> None:
    rig = SessionRig(parse_script("greeting: [{stall_ms: 3000}, {say: hello}]"))
    rig.send("response.create")
    rig.wait(2.9)
    assert "response.output_item.added" not in rig.types()
    rig.wait(2)
    assert rig.types()[-1] == "response.done"


def test_two_items_in_one_response() -> None:
    rig = SessionRig(parse_script("greeting: [{say: one}, {next_item: true}, {say: two}]"))
    rig.send("response.create")
    rig.wait(3)
    first, second = rig.last("response.done")["response"]["output"]
    assert first["id"] != second["id"]
    assert {e["output_index"] for e in rig.of("response.output_audio.delta")} == {0, 1}


def test_a_preamble_is_done_after_the_next_item_has_begun() -> None:
    rig = SessionRig(
        parse_script("greeting: [{preamble: One moment.}, {say: It is nine to five every day.}]")
    )
    rig.send("response.create")
    rig.wait(5)
    first, second = rig.last("response.done")["response"]["output"]
    assert [part["transcript"] for part in (*first["content"], *second["content"])] == [
        "One moment.",
        "It is nine to five every day.",
    ]
    sound = [
        (event["item_id"], event["type"].rpartition(".")[2])
        for event in rig.events
        if event["type"].startswith("response.output_audio.")
    ]
    done = sound.index((first["id"], "done"))
    assert sound[done - 2 : done] == [(second["id"], "delta")] * 2
    assert (second["id"], "delta") in sound[done:]
    places = {e["item_id"]: e["output_index"] for e in rig.of("response.output_audio.delta")}
    assert places == {first["id"]: 0, second["id"]: 1}
    ends = {e["item_id"]: e["output_index"] for e in rig.of("response.output_audio.done")}
    assert ends == places
    assert not rig.violations


@pytest.mark.parametrize("behind", ["", ", {call: {name: end_call}}"])
def test_a_preamble_with_nothing_to_say_behind_it(behind: str) -> None:
    rig = SessionRig(parse_script(f"greeting: [{{preamble: One moment.}}{behind}]"))
    rig.send("response.create")
    rig.wait(3)
    [item] = rig.last("response.done")["response"]["output"]
    assert item["status"] == "completed"
    assert not rig.violations


class Line:
    """A SIP leg: the sound goes here."""

    def __init__(self) -> None:
        self.played = b""
        self.cleared = 0

    def play(self, response_id: str, item_id: str, audio: bytes, wire: object) -> None:
        self.played += audio

    def end(self, response_id: str) -> None: ...

    def clear(self) -> list[tuple[str, int]]:
        self.cleared += 1
        return []


def test_with_a_line_of_its_own_the_sound_does_not_leave_as_events() -> None:
    line = Line()
    rig = SessionRig(sink=line)
    rig.update(tools=[END_CALL])
    rig.send("response.create")
    rig.wait(4)
    assert line.played
    assert not rig.of("response.output_audio.delta")
    assert rig.of("response.output_audio_transcript.delta")
    rig.send("output_audio_buffer.clear")
    assert line.cleared == 1
    assert not rig.violations
