"""Conversation of a session: items in order, and their tokens."""

from __future__ import annotations

import base64
import binascii
import io
import json
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image

from gateway.simulator.audio.formats import AudioFormatInfo
from gateway.simulator.openai.realtime.validation import InvalidValue

CALLER_TOKEN_MS: Final = 100
MODEL_TOKEN_MS: Final = 50
CHARS_PER_TOKEN: Final = 4
IMAGE_TOKENS: Final = 800
"""A placeholder: the cost of an image is not documented."""
CACHE_BLOCK: Final = 64

IMAGE_HEADS: Final = {"data:image/png;base64,": "PNG", "data:image/jpeg;base64,": "JPEG"}
IMAGE_MAX_BYTES: Final = 20 << 20
"""A placeholder: the limit is not documented."""
ITEMS_MAX: Final = 4_000
_MARKS: Final = {"object": "realtime.item", "status": "completed"}


def text_tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)


@dataclass
class SimItem:
    """One item: its JSON without sound, and the duration of the sound."""

    body: dict[str, Any]
    audio_ms: int = 0
    audio: bytes = b""
    """Sound as it arrived; retained for the caller's last turn only."""

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def kind(self) -> str:
        return str(self.body.get("role") or self.body["type"])

    def words(self) -> list[str]:
        """Return the text and transcripts of the item."""
        parts = self.body.get("content", ())
        return [part.get("text") or part.get("transcript") or "" for part in parts]

    def tokens(self) -> Tokens:
        tokens = Tokens()
        for part in self.body.get("content", ()):
            tokens.text += text_tokens(part.get("text") or "")
            if part.get("type") == "input_image":
                tokens.image += IMAGE_TOKENS
        rate_ms = MODEL_TOKEN_MS if self.kind == "assistant" else CALLER_TOKEN_MS
        tokens.audio = -(-self.audio_ms // rate_ms)
        if self.kind == "assistant":
            tokens.text += sum(text_tokens(p.get("transcript") or "") for p in self._parts())
        for key in ("name", "arguments", "output"):
            tokens.text += text_tokens(self.body.get(key) or "")
        return tokens

    def _parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self.body.get("content", [])
        return parts


@dataclass
class Tokens:
    text: int = 0
    audio: int = 0
    image: int = 0

    def add(self, other: Tokens) -> None:
        self.text += other.text
        self.audio += other.audio
        self.image += other.image

    @property
    def total(self) -> int:
        return self.text + self.audio + self.image


@dataclass
class SimConversation:
    """The default conversation of a session."""

    items: list[SimItem] = field(default_factory=list)
    call_ids: set[str] = field(default_factory=set)
    _cached_head: str = ""
    _cached: Tokens = field(default_factory=Tokens)

    def find(self, item_id: str) -> SimItem | None:
        return next((item for item in self.items if item.id == item_id), None)

    def insert(self, item: SimItem, after: str | None = None) -> str | None:
        """Insert an item after another, in front (`root`) or at the end. Return its predecessor."""
        if len(self.items) >= ITEMS_MAX:
            raise InvalidValue("invalid_value", "The conversation has too many items.", "item")
        if self.find(item.id):
            message = f"Item with id '{item.id}' already exists in the conversation."
            raise InvalidValue("invalid_value", message, "item.id")
        at = self._place(after)
        self.items.insert(at, item)
        if item.body["type"] == "function_call":
            self.call_ids.add(item.body["call_id"])
        return self.items[at - 1].id if at else None

    def _place(self, after: str | None) -> int:
        if after is None:
            return len(self.items)
        if after == "root":
            return 0
        for at, item in enumerate(self.items):
            if item.id == after:
                return at + 1
        message = f"Previous item with id '{after}' not found."
        raise InvalidValue("invalid_value", message, "previous_item_id")

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> SimItem:
        """Truncate an answer to what was heard; its transcript is removed."""
        item = self.find(item_id)
        if item is None:
            message = f"Item with item_id not found: '{item_id}'."
            raise InvalidValue("item_truncate_invalid_item_id", message, "item_id")
        if item.kind != "assistant" or not item.audio_ms:
            message = "Only model output audio messages can be truncated."
            raise InvalidValue("invalid_value", message, "item_id")
        if content_index != 0:
            raise InvalidValue("invalid_value", "'content_index' is always 0.", "content_index")
        if audio_end_ms < 0:
            raise InvalidValue("invalid_value", "'audio_end_ms' is negative.", "audio_end_ms")
        if audio_end_ms > item.audio_ms:
            message = f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise InvalidValue("invalid_value", message, "audio_end_ms")
        item.audio_ms = audio_end_ms
        item.body["content"] = [{"type": "output_audio"}]
        return item

    def delete(self, item_id: str) -> None:
        item = self.find(item_id)
        if item is None:
            message = f"Item with item_id not found: '{item_id}'."
            raise InvalidValue("item_delete_invalid_item_id", message, "item_id")
        self.items.remove(item)

    def bill(self, head: str, items: list[SimItem] | None = None) -> dict[str, Any]:
        """Return the input half of a response's usage: the whole conversation, for every response.

        `head` is what goes before the items (instructions, tools): while it stays the same, what
        was sent before is cached.
        """
        tokens = Tokens(text=text_tokens(head))
        for item in self.items if items is None else items:
            tokens.add(item.tokens())
        cached = self._cached if head == self._cached_head else Tokens()
        part = Tokens(*(min(_block(old), new) for old, new in _pairs(cached, tokens)))
        self._cached_head, self._cached = head, tokens
        return {
            "text_tokens": tokens.text,
            "audio_tokens": tokens.audio,
            "image_tokens": tokens.image,
            "cached_tokens": part.total,
            "cached_tokens_details": {
                "text_tokens": part.text,
                "audio_tokens": part.audio,
                "image_tokens": part.image,
            },
        }


def _block(tokens: int) -> int:
    return tokens // CACHE_BLOCK * CACHE_BLOCK


def _pairs(old: Tokens, new: Tokens) -> list[tuple[int, int]]:
    return [(old.text, new.text), (old.audio, new.audio), (old.image, new.image)]


def from_client(
    body: dict[str, Any], item_id: str, wire: AudioFormatInfo, call_ids: set[str]
) -> SimItem:
    """Return an item that a client creates. Raises InvalidValue for items it may not create."""
    marks = {} if body["type"].startswith("mcp_") else _MARKS
    item = SimItem({**marks, **body, "id": item_id})
    if body["type"] == "function_call_output" and body["call_id"] not in call_ids:
        message = f"Tool call ID '{body['call_id']}' not found in conversation."
        raise InvalidValue("invalid_tool_call_id", message, "item.call_id")
    if body["type"] == "function_call":
        item.body.setdefault("call_id", f"call_{item_id}")
    if body["type"] in ("mcp_list_tools", "mcp_call", "mcp_approval_request"):
        raise InvalidValue("invalid_value", "Only the server makes such an item.", "item.type")
    parts = [_part(part, item, wire, at) for at, part in enumerate(body.get("content", ()))]
    if "content" in body:
        item.body["content"] = parts
    return item


def _part(part: dict[str, Any], item: SimItem, wire: AudioFormatInfo, at: int) -> dict[str, Any]:
    kind, path = part.get("type"), f"item.content[{at}]"
    if kind is None:
        name = f"{path}.type"
        raise InvalidValue(
            "missing_required_parameter", f"Missing required parameter: '{name}'.", name
        )
    if kind == "output_audio":
        raise InvalidValue("invalid_value", "Assistant audio cannot be created by a client.", path)
    wanted = {"input_audio": "audio", "input_image": "image_url"}.get(kind, "text")
    if not isinstance(part.get(wanted), str):
        name = f"{path}.{wanted}"
        raise InvalidValue(
            "missing_required_parameter", f"Missing required parameter: '{name}'.", name
        )
    if kind == "input_image":
        _check_image(part["image_url"], f"{path}.image_url")
    if kind == "input_audio":
        item.audio_ms += wire.ms(len(_base64(part["audio"], f"{path}.audio")))
        return {key: value for key, value in part.items() if key != "audio"}
    return part


def _check_image(url: str, path: str) -> None:
    head = next((head for head in IMAGE_HEADS if url.startswith(head)), None)
    if head is None:
        raise InvalidValue("invalid_value", "Expected a PNG or JPEG image as a data URI.", path)
    data = _base64(url[len(head) :], path)
    if len(data) > IMAGE_MAX_BYTES:
        raise InvalidValue("invalid_value", "The image is too large.", path)
    try:
        with Image.open(io.BytesIO(data), formats=(IMAGE_HEADS[head],)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidValue("invalid_value", "The image cannot be read.", path) from error


def pictures_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return type and size of an item's pictures, for the journal."""
    urls = [part["image_url"] for part in body.get("content", ()) if "image_url" in part]
    return [
        {"media_type": url[5:].partition(";")[0], "bytes": len(url.partition(",")[2]) * 3 // 4}
        for url in urls
    ]


def _base64(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue("invalid_value", "Invalid base64.", path) from None


def head_of(instructions: str | None, tools: list[Any] | None) -> str:
    """Return the text that is billed before the items."""
    return (instructions or "") + (json.dumps(tools) if tools else "")
