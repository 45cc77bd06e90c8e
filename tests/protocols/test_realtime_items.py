"""Conversation items of ours, in the shape of the GA interface."""

from __future__ import annotations

from gateway.protocols import realtime_items as items


def test_words_by_who_said_them() -> None:
    assert items.user_text("a") == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "a"}],
    }
    assert items.system_text("a")["content"] == [{"type": "input_text", "text": "a"}]
    assert items.system_text("a")["role"] == "system"
    # The vendor refuses input_text from the assistant.
    assert items.assistant_text("a")["content"] == [{"type": "output_text", "text": "a"}]
    assert items.assistant_text("a")["role"] == "assistant"


def test_a_picture_with_and_without_words() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    assert items.user_image(picture["image_url"])["content"] == [picture]
    words = {"type": "input_text", "text": "My meter"}
    assert items.user_image(picture["image_url"], "My meter")["content"] == [words, picture]


def test_a_function_call_and_its_output_name_the_same_call() -> None:
    assert items.function_call("call_1", "stock", "{}") == {
        "type": "function_call",
        "call_id": "call_1",
        "name": "stock",
        "arguments": "{}",
    }
    assert items.function_output("call_1", "3") == {
        "type": "function_call_output",
        "call_id": "call_1",
        "output": "3",
    }


def test_the_answer_to_an_approval_request() -> None:
    assert items.mcp_approval("gw_1", "mcpr_1", False, "not now") == {
        "type": "mcp_approval_response",
        "id": "gw_1",
        "approval_request_id": "mcpr_1",
        "approve": False,
        "reason": "not now",
    }
