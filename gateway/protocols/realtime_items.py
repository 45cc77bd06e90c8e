"""Conversation items that we make, as plain dictionaries of the GA shape."""

from __future__ import annotations

from typing import Any


def user_text(text: str) -> dict[str, Any]:
    return _message("user", "input_text", text)


def user_image(image_url: str, about: str = "") -> dict[str, Any]:
    """`image_url` is a data URI with a PNG or JPEG image."""
    said = [{"type": "input_text", "text": about}] if about else []
    image = {"type": "input_image", "image_url": image_url}
    return {"type": "message", "role": "user", "content": [*said, image]}


def system_text(text: str) -> dict[str, Any]:
    return _message("system", "input_text", text)


def assistant_text(text: str) -> dict[str, Any]:
    """Return the model's words as text: a client cannot create the assistant's audio."""
    return _message("assistant", "output_text", text)


def function_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """A call that the model made in an earlier session."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def function_output(call_id: str, output: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def mcp_approval(item_id: str, request_id: str, approve: bool, reason: str) -> dict[str, Any]:
    """The answer to an `mcp_approval_request`; `item_id` is ours to choose."""
    return {
        "type": "mcp_approval_response",
        "id": item_id,
        "approval_request_id": request_id,
        "approve": approve,
        "reason": reason,
    }


def _message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
