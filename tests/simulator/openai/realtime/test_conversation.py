"""The simulated conversation: order, truncation, items of the client, and what is billed."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from gateway.simulator.audio.formats import WIRES
from gateway.simulator.openai.realtime.conversation import (
    IMAGE_TOKENS,
    ITEMS_MAX,
    SimConversation,
    SimItem,
    from_client,
    head_of,
    pictures_of,
    text_tokens,
)
from gateway.simulator.openai.realtime.validation import InvalidValue

PCM = WIRES["audio/pcm"]


def text_item(item_id: str, text: str = "hello", role: str = "user") -> SimItem:
    body = {"id": item_id, "type": "message", "role": role}
    return SimItem(body | {"content": [{"type": "input_text", "text": text}]})


def answer(item_id: str = "a1", ms: int = 1000, transcript: str = "four") -> SimItem:
    body = {"id": item_id, "type": "message", "role": "assistant"}
    content = [{"type": "output_audio", "transcript": transcript}]
    return SimItem(body | {"content": content}, audio_ms=ms)


def picture(size: int = 4, kind: str = "PNG") -> str:
    file = io.BytesIO()
    Image.new("RGB", (size, size)).save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def user(**part: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [part]}


def refused(body: dict[str, Any], call_ids: frozenset[str] = frozenset()) -> InvalidValue:
    with pytest.raises(InvalidValue) as error:
        from_client(body, "item_1", PCM, set(call_ids))
    return error.value


# --- Order ---


def test_items_stand_where_they_were_put() -> None:
    talk = SimConversation()
    assert talk.insert(text_item("b")) is None
    assert talk.insert(text_item("d")) == "b"
    assert talk.insert(text_item("c"), after="b") == "b"
    assert talk.insert(text_item("a"), after="root") is None
    assert [item.id for item in talk.items] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("item_id", "after", "param"), [("a", None, "item.id"), ("b", "x", "previous_item_id")]
)
def test_an_item_has_one_place_that_there_is(item_id: str, after: str | None, param: str) -> None:
    talk = SimConversation([text_item("a")])
    with pytest.raises(InvalidValue) as error:
        talk.insert(text_item(item_id), after)
    assert error.value.param == param
    assert len(talk.items) == 1


def test_a_conversation_is_bounded() -> None:
    talk = SimConversation([text_item(str(n)) for n in range(ITEMS_MAX - 1)])
    talk.insert(text_item("last"))
    with pytest.raises(InvalidValue, match="too many items"):
        talk.insert(text_item("more"))


def test_an_item_is_deleted_once() -> None:
    talk = SimConversation([text_item("a")])
    talk.delete("a")
    with pytest.raises(InvalidValue) as error:
        talk.delete("a")
    assert error.value.code == "item_delete_invalid_item_id"


# --- Truncation ---


@pytest.mark.parametrize("ms", [0, 400, 1000])
def test_an_answer_is_cut_to_what_was_heard_and_loses_its_words(ms: int) -> None:
    talk = SimConversation([answer(ms=1000)])
    item = talk.truncate("a1", 0, ms)
    assert (item.audio_ms, item.words()) == (ms, [""])


@pytest.mark.parametrize(
    ("item_id", "index", "ms", "words"),
    [
        ("x", 0, 10, "not found"),
        ("u1", 0, 10, "Only model output audio"),
        ("a1", 1, 10, "always 0"),
        ("a1", 0, -1, "negative"),
        ("a1", 0, 1001, "already shorter than 1001ms"),
    ],
)
def test_what_cannot_be_truncated(item_id: str, index: int, ms: int, words: str) -> None:
    talk = SimConversation([text_item("u1"), answer(ms=1000)])
    with pytest.raises(InvalidValue, match=words):
        talk.truncate(item_id, index, ms)
    assert talk.items[1].audio_ms == 1000


# --- Items of the client ---


def test_sound_of_the_client_is_measured_and_not_kept() -> None:
    sound = base64.b64encode(bytes(48 * 70)).decode()
    item = from_client(user(type="input_audio", audio=sound), "item_1", PCM, set())
    assert (item.audio_ms, item.body["content"]) == (70, [{"type": "input_audio"}])
    assert (item.id, item.kind, item.body["status"]) == ("item_1", "user", "completed")


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        ({}, "missing_required_parameter", "item.content[0].type"),
        ({"type": "input_text"}, "missing_required_parameter", "item.content[0].text"),
        ({"type": "input_audio"}, "missing_required_parameter", "item.content[0].audio"),
        ({"type": "input_audio", "audio": "%"}, "invalid_value", "item.content[0].audio"),
        ({"type": "input_image"}, "missing_required_parameter", "item.content[0].image_url"),
        ({"type": "input_image", "image_url": "https://a/b.png"}, "invalid_value", None),
        ({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}, "invalid_value", None),
        (
            {"type": "input_image", "image_url": picture(kind="JPEG").replace("jpeg", "png")},
            "invalid_value",
            None,
        ),
        ({"type": "output_audio"}, "invalid_value", "item.content[0]"),
    ],
)
def test_parts_that_a_client_may_not_send(
    part: dict[str, Any], code: str, param: str | None
) -> None:
    error = refused(user(**part))
    assert error.code == code
    assert param is None or error.param == param


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_looked_at(kind: str) -> None:
    url = picture(kind=kind)
    item = from_client(user(type="input_image", image_url=url), "item_1", PCM, set())
    (told,) = pictures_of(item.body)
    assert told["media_type"] == f"image/{kind.lower()}"
    assert abs(told["bytes"] - len(base64.b64decode(url.partition(",")[2]))) <= 2


def test_outputs_need_a_call() -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
    assert refused(output).code == "invalid_tool_call_id"
    assert from_client(output, "item_1", PCM, {"call_1"}).kind == "function_call_output"
    call = from_client({"type": "function_call", "name": "f"}, "item_2", PCM, set())
    assert call.body["call_id"] == "call_item_2"
    talk = SimConversation()
    talk.insert(call)
    assert talk.call_ids == {"call_item_2"}


@pytest.mark.parametrize("kind", ["mcp_list_tools", "mcp_call", "mcp_approval_request"])
def test_items_that_only_the_server_makes(kind: str) -> None:
    assert refused({"type": kind}).param == "item.type"


# --- Tokens ---


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_text_is_counted_in_started_fours(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


def test_each_side_s_sound_has_its_own_rate() -> None:
    said = text_item("u", "")
    said.audio_ms = 1001
    assert said.tokens().audio == 11
    spoken = answer(ms=1001, transcript="abcde").tokens()
    assert (spoken.audio, spoken.text) == (21, 2)
    seen = SimItem(user(type="input_image", image_url="x") | {"id": "i"}).tokens()
    assert (seen.image, seen.total) == (IMAGE_TOKENS, IMAGE_TOKENS)
    call = SimItem({"id": "c", "type": "function_call", "name": "find", "arguments": "{}"})
    assert call.tokens().text == 2


def test_what_was_sent_before_is_cached_in_whole_blocks() -> None:
    talk = SimConversation([text_item("a", "x" * 4 * 100)])
    assert talk.bill("h" * 40)["cached_tokens"] == 0
    again = talk.bill("h" * 40)
    assert (again["text_tokens"], again["cached_tokens"]) == (110, 64)
    assert again["cached_tokens_details"] == {
        "text_tokens": 64,
        "audio_tokens": 0,
        "image_tokens": 0,
    }
    assert talk.bill("other")["cached_tokens"] == 0, "another head has another cache"


def test_an_answer_out_of_band_is_billed_for_its_own_items() -> None:
    talk = SimConversation([text_item("a", "x" * 400)])
    assert talk.bill("", [text_item("b", "abcd")])["text_tokens"] == 1


def test_the_head_is_instructions_and_tools() -> None:
    assert head_of("Be kind.", []) == "Be kind."
    assert head_of(None, [{"name": "f"}]) == '[{"name": "f"}]'
