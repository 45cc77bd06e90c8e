"""Signed requests to an address of the operator's."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from time import time
from typing import Any

import httpx2
import msgspec

from gateway.agents.config.signed_request import SignedRequest
from gateway.agents.config.tool_options import all_with_secrets
from gateway.errors import SettingsError, ToolError
from gateway.protocols.standard_webhooks import signed_headers, signing_keys
from gateway.tools.call_headers import call_headers, filled_header
from gateway.tools.pinned_http import REDIRECTS, PinnedHttp, text_of
from gateway.tools.python import ToolContext
from gateway.tools.secrets import secrets_for


class SignedHttp:
    """POST requests of one key of the agents file, signed by Standard Webhooks."""

    def __init__(
        self, whose: str, request: SignedRequest, environ: Mapping[str, str], answer_max_bytes: int
    ) -> None:
        """`whose` is the key, dotted. Raises SettingsError for a secret not set, or unusable."""
        secret = secrets_for(whose, [request.secret_name], environ, in_headers=False)
        try:
            self._keys = signing_keys(secret[request.secret_name])
        except ValueError:
            raise SettingsError(
                f"{whose} signs with {request.secret_name}, which must be whsec_ and base64."
            ) from None
        in_headers = secrets_for(whose, request.header_secrets, environ, in_headers=True)
        self._headers = all_with_secrets(request.headers, in_headers)
        self._url, self._answer_max_bytes = httpx2.URL(request.url), answer_max_bytes
        self._client = PinnedHttp(allow_private=request.allow_private)

    async def ask(self, fields: Mapping[str, Any], context: ToolContext) -> str:
        """Send fields as JSON and return the text of the answer. Raises ToolError."""
        body = msgspec.json.encode(fields)
        headers = httpx2.Headers(call_headers(context))
        headers.update({name: filled_header(v, context) for name, v in self._headers.items()})
        # No header of the operator's replaces the signature.
        message_id = f"msg_{secrets.token_hex(12)}"
        headers.update(signed_headers(self._keys, message_id, int(time()), body))
        answer = await self._client.ask("POST", self._url, headers, body, self._answer_max_bytes)
        if answer.status in REDIRECTS:
            raise ToolError("The service sent us elsewhere, where we do not go.", "redirect")
        return text_of(answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
