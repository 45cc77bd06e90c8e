"""HTTP functions: the operator's request with the model's arguments.

The model makes arguments up and a caller can talk it into any, so neither may choose the host: an
argument fills one place of the address, percent-encoded; addresses of this machine and network
are refused after they were resolved, and a redirect that leaves the host loses the credentials by
not being followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import httpx2

from gateway import limits
from gateway.agents.config.call_values import filled_json, with_call_values
from gateway.agents.config.tool_options import (
    IN_QUERY,
    PLACEHOLDER,
    HttpCall,
    all_with_secrets,
)
from gateway.errors import ToolError
from gateway.tools.call_headers import call_headers, filled_header
from gateway.tools.pinned_http import REDIRECTS, PinnedHttp, text_of
from gateway.tools.python import ToolContext
from gateway.tools.tool import InvalidArguments

_NO_SEGMENTS: Final = frozenset({"", ".", ".."})
"""Path segments that would remove themselves and others from the address."""
_SLASH: Final = re.compile(r"/(?![^{}]*\})")
_QUERY: Final = re.compile(r"\?(?![^{}]*\})")
"""What parts the operator's address, and not what stands in a placeholder: `{call.sid|a/b?}`."""


class HttpTool:
    """One function of one agent; `secrets` are the variables that its headers name."""

    def __init__(self, call: HttpCall, secrets: Mapping[str, str]) -> None:
        self._call = call
        self._headers = all_with_secrets(call.headers, secrets)
        self._client = PinnedHttp(allow_private=call.allow_private)

    async def run(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        """Send the request and return the text of the answer. Raises ToolError."""
        url = httpx2.URL(self._address(arguments, context))
        rest = {name: value for name, value in arguments.items() if name not in self._call.in_url}
        body = None
        if self._call.method in IN_QUERY:
            url = _with_query(url, rest)
        else:
            # The operator's own fields come last: no argument replaces one.
            rest |= filled_json(self._call.body or {}, context.value)
            body = json.dumps(rest, ensure_ascii=False, allow_nan=False).encode()
        return await self._ask(url, body, self._headers_of(context))

    async def close(self) -> None:
        await self._client.close()

    def _headers_of(self, context: ToolContext) -> httpx2.Headers:
        """Return the headers of one request: the call's ids, under those of the operator."""
        headers = httpx2.Headers(call_headers(context))
        for name, value in self._headers.items():
            headers[name] = filled_header(value, context)
        return headers

    def _address(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        path, *rest = _QUERY.split(self._call.url, maxsplit=1)
        segments = []
        for segment in _SLASH.split(path):
            of_call = with_call_values(segment, context.value, _quoted)
            if of_call != segment and of_call in _NO_SEGMENTS:
                raise ToolError("This call lacks what the request needs.", "no_call_value")
            filled = _filled(of_call, arguments)
            if filled != of_call and filled in _NO_SEGMENTS:
                raise InvalidArguments("Wrong arguments: one of them cannot stand in an address.")
            segments.append(filled)
        queries = [
            _filled(with_call_values(one, context.value, _quoted), arguments) for one in rest
        ]
        return "?".join(["/".join(segments), *queries])

    async def _ask(self, url: httpx2.URL, body: bytes | None, headers: httpx2.Headers) -> str:
        for _ in range(limits.tools.TOOL_REDIRECTS_MAX + 1):
            answer = await self._client.ask(self._call.method, url, headers, body)
            if answer.status not in REDIRECTS:
                return text_of(answer)
            following = redirected(url, answer.location)
            if following is None or self._call.method not in IN_QUERY:
                raise ToolError("The service sent us elsewhere, where we do not go.", "redirect")
            url = following
        raise ToolError("The service sent us in a circle.", "redirects")


def redirected(url: httpx2.URL, location: str) -> httpx2.URL | None:
    """Return a redirect's target, if that is the same host, and as secure."""
    try:
        there = urlsplit(urljoin(str(url), location))
    except ValueError:
        return None
    same = there.netloc == url.netloc.decode("ascii") and there.scheme in (url.scheme, "https")
    return httpx2.URL(there.geturl()) if location and same else None


def _with_query(url: httpx2.URL, arguments: Mapping[str, Any]) -> httpx2.URL:
    """Fill arguments into the address; the operator's own part of it stays as it is."""
    more = [
        (name, _plain(value))
        for name, given in arguments.items()
        if name not in url.params
        for value in (given if isinstance(given, list) else [given])
        if value is not None
    ]
    return url.copy_with(params=[*url.params.multi_items(), *more]) if more else url


def _filled(text: str, arguments: Mapping[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda found: _quoted(_plain(arguments[found[1]])), text)


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _plain(value: Any) -> str:
    """Return an argument as it is written in an address."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
