"""Filter of an MCP server's messages: what cannot be read of one is left out, not all of it.

The official package refuses a whole list for one tool in it, and a whole result for one block.
It also validates results against the server's own `outputSchema` on the event loop, with patterns
that can take hours; so that schema is not passed on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from jsonschema_rs import Draft202012Validator
from mcp.shared.message import SessionMessage
from mcp_types import (
    ContentBlock,
    EmbeddedResource,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import TypeAdapter, ValidationError

from gateway import limits
from gateway.tools.mcp_bounds import MessagePace

if TYPE_CHECKING:  # these types have no public name
    from mcp.client._transport import ReadStream, TransportStreams

OnLeftOut = Callable[[str, str], None]
"""Gets the name of a tool that was left out of a list, and the reason."""
Answer = JSONRPCResponse | JSONRPCError
OwnAnswer = Callable[[Answer, Context | None], Answer]
"""Gets an answer and the context in which it was read; returns what the asker may have of it."""


def any_answer(answer: Answer, _context: Context | None) -> Answer:
    """Return the answer: over one pipe nothing but its id says whose it is."""
    return answer


_BLOCK: Final[TypeAdapter[Any]] = TypeAdapter(ContentBlock)
_UNREADABLE: Final = "[a part of the answer cannot be read]"


class FilteredTransport:
    """Transport of an MCP client whose incoming messages are filtered."""

    def __init__(
        self,
        inner: AbstractAsyncContextManager[TransportStreams],
        on_left_out: OnLeftOut,
        pace: MessagePace,
        own: OwnAnswer = any_answer,
    ) -> None:
        self._inner, self._on_left_out, self._pace, self._own = inner, on_left_out, pace, own

    async def __aenter__(self) -> TransportStreams:
        read, write = await self._inner.__aenter__()
        return _FilteredStream(read, self._on_left_out, self._pace, self._own), write

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)


class _FilteredStream:
    def __init__(
        self,
        inner: ReadStream[SessionMessage | Exception],
        on_left_out: OnLeftOut,
        pace: MessagePace,
        own: OwnAnswer,
    ) -> None:
        self._inner, self._on_left_out, self._pace, self._own = inner, on_left_out, pace, own
        self._requests = MessagePace(
            lambda: None, limits.mcp.REQUESTS_BURST, limits.mcp.REQUESTS_PER_S
        )

    @property
    def last_context(self) -> Any:
        """Context of the sender of the last message, which the package looks for by this name."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        while (item := await self._filtered(await self._inner.receive())) is None:
            pass
        return item

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while (item := await self._filtered(await self._inner.__anext__())) is None:
            pass
        return item

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)

    async def _filtered(
        self, item: SessionMessage | Exception
    ) -> SessionMessage | Exception | None:
        """Return the message as it can be read, or nothing where it is to be dropped."""
        context = self.last_context
        await self._pace.passed()
        if isinstance(item, Exception):
            return item
        if isinstance(item.message, JSONRPCRequest):
            return None if self._requests.late_s() else item
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            item = replace(item, message=self._own(item.message, context))
        if not isinstance(item.message, JSONRPCResponse):
            return item
        result = item.message.result
        if isinstance(result.get("tools"), list):
            # Megabytes of schemas: checking them takes tens of milliseconds.
            result, left_out = await asyncio.to_thread(readable_tools, result)
            for name, reason in left_out:
                self._on_left_out(name, reason)
        elif "content" in result or "structuredContent" in result:
            result = readable_content(result)
        return replace(item, message=item.message.model_copy(update={"result": result}))


def readable_tools(result: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return a `tools/list` result with its usable tools, and each other one with the reason."""
    kept: list[dict[str, Any]] = []
    left_out: list[tuple[str, str]] = []
    for index, tool in enumerate(result["tools"]):
        reason = _unusable(tool)
        if reason is None:
            kept.append(
                {
                    "name": tool["name"],
                    "description": _text_or_empty(tool.get("description")),
                    "inputSchema": tool["inputSchema"],
                }
            )
        else:
            name = tool.get("name") if isinstance(tool, dict) else None
            left_out.append((str(index if name is None else name)[:64], reason))
    more: dict[str, Any] = {"tools": kept}
    if not isinstance(result.get("nextCursor"), str | None):
        more["nextCursor"] = None
    return result | more, left_out


def _text_or_empty(value: Any) -> str:
    return value[: limits.mcp.DESCRIPTION_MAX_CHARS] if isinstance(value, str) else ""


def _unusable(tool: Any) -> str | None:
    """Return why a tool cannot be offered."""
    if not isinstance(tool, dict):
        return "it is not an object"
    name, schema = tool.get("name"), tool.get("inputSchema")
    if not isinstance(name, str) or not name:
        return "its name is not text"
    if not isinstance(schema, dict):
        return "its inputSchema is not an object"
    if schema.get("type") != "object":
        return "the type of its inputSchema is not object"
    if not isinstance(schema.get("properties", {}), dict):
        return "the properties of its inputSchema are not an object"
    return _unusable_schema(schema)


def _unusable_schema(schema: dict[str, Any]) -> str | None:
    if _depth(schema) > limits.mcp.SCHEMA_MAX_DEPTH:
        return "its inputSchema is nested too deeply"
    if len(json.dumps(schema, ensure_ascii=False)) > limits.mcp.SCHEMA_MAX_CHARS:
        return "its inputSchema is too long"
    try:
        _META.validate(schema)
    except ValueError:
        # Not the validator's words: they contain the server's.
        return "its inputSchema is not a JSON Schema"
    return None


_META: Final = Draft202012Validator(
    {"$ref": "https://json-schema.org/draft/2020-12/schema"}, offline=True
)
"""Schema of schemas, whatever a server's `$schema` says."""


def _depth(value: Any) -> int:
    """Return how deeply a JSON value is nested, without recursion."""
    level, depth = [value], 0
    while level and depth <= limits.mcp.SCHEMA_MAX_DEPTH:
        inside: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inside += one.values()
            elif isinstance(one, list):
                inside += one
        level, depth = inside, depth + 1
    return depth


def readable_content(result: dict[str, Any]) -> dict[str, Any]:
    """Return a `tools/call` result in text blocks, whatever else its content was."""
    content = result.get("content")
    texts = map(_words_of, content) if isinstance(content, list) else ()
    cleaned = {
        name: value
        for name, value in result.items()
        if name != "structuredContent" or isinstance(value, dict)
    }
    return cleaned | {
        "content": [{"type": "text", "text": text} for text in texts if text],
        "isError": result.get("isError") is True,
    }


def _words_of(value: Any) -> str:
    """Return the text of a block, the only part that a telephone can carry."""
    try:
        block: ContentBlock = _BLOCK.validate_python(value, by_name=False)
    except ValidationError:
        text = value.get("text") if isinstance(value, dict) else None
        return text if isinstance(text, str) else _UNREADABLE
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, ResourceLink):
        return f"[{block.title or block.name}: {block.uri}]"
    if isinstance(block, EmbeddedResource):
        inside = block.resource
        return (
            inside.text if isinstance(inside, TextResourceContents) else f"[a file: {inside.uri}]"
        )
    return f"[an {block.type} is part of the answer; it cannot be given on the telephone]"
