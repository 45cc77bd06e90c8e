"""Google Cloud Storage's XML API before a real server of objects (`rclone serve s3`).

The XML API of Google is that of S3 in its requests and bodies: PUT, ranges, lists
(`list-type=2`) and uploads in parts. What Google does otherwise stands in the proxy before the
server: it takes a bearer token, here the JWT that a service account signs itself (AIP-4111), and
checks signature, issuer, scope and times; each object has a generation; a slash in a name is
escaped; to delete what is not there is 404; a part but the last has at least 5 MiB.

Source: cloud.google.com/storage/docs/xml-api, google.aip.dev/auth/4111.
"""

from __future__ import annotations

import contextlib
import json
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from s3_end import BUCKET, rclone
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.simulator.twilio.rest_api import listening

ACCOUNT: Final = "gateway@project.iam.gserviceaccount.com"
_KEY_ID: Final = "key-1"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_PART_MIN_BYTES: Final = 5 << 20
_HOP: Final = frozenset({"connection", "transfer-encoding", "date", "server", "keep-alive"})


def _key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class GcsEnd:
    """Where the server is, and what was asked of it."""

    folder: Path
    url: str = ""
    busy: int = 0
    """How many requests are still to be answered by 503."""
    asked: Counter[str] = field(default_factory=Counter)
    """Methods, and `503` and `401` for each such answer."""
    key: RSAPrivateKey = field(default_factory=_key)
    generations: dict[str, int] = field(default_factory=dict)
    parts: dict[str, list[int]] = field(default_factory=dict)
    """Sizes of an upload's parts, in the order in which they came."""

    def environ(self, key: RSAPrivateKey | None = None) -> dict[str, str]:
        """Return the environment of a process with the account's key, or with another one."""
        pem = (key or self.key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        account = {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key": pem.decode(),
            "private_key_id": _KEY_ID,
        }
        return {"GOOGLE_BASE_URL": self.url, "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}

    @property
    def objects(self) -> list[str]:
        bucket = self.folder / BUCKET
        return sorted(str(p.relative_to(bucket)) for p in bucket.rglob("*") if p.is_file())

    def refuses(self, request: Request) -> bool:
        """Whether a request has no token that the account has signed for this hour."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            head, claims, signature = token.split(".")
            self.key.public_key().verify(
                _bytes(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256()
            )
            header, said = json.loads(_bytes(head)), json.loads(_bytes(claims))
        except (ValueError, InvalidSignature):
            return True
        known = (header["alg"], header["kid"]) == ("RS256", _KEY_ID)
        ours = said["iss"] == said["sub"] == ACCOUNT and said["scope"] == _SCOPE
        in_time = said["iat"] - 60 <= time() < said["exp"] <= said["iat"] + 3600
        return not (scheme == "Bearer" and known and ours and in_time)


@contextlib.asynccontextmanager
async def running_gcs(folder: Path) -> AsyncIterator[GcsEnd]:
    end = GcsEnd(folder)
    async with rclone(folder) as (client, behind):
        proxy = _Proxy(end, client, behind)
        methods = ["GET", "HEAD", "PUT", "POST", "DELETE"]
        app = Starlette(routes=[Route("/{path:path}", proxy.answer, methods=methods)])
        async with listening(app, 0) as end.url:
            yield end


class _Proxy:
    def __init__(self, end: GcsEnd, client: httpx2.AsyncClient, behind: str) -> None:
        self._end, self._client, self._behind = end, client, behind

    async def answer(self, request: Request) -> Response:
        body, end = await request.body(), self._end
        end.asked[request.method] += 1
        if end.busy:
            end.busy -= 1
            end.asked["503"] += 1
            return _error(503, "ServiceUnavailable")
        if end.refuses(request):
            end.asked["401"] += 1
            return _error(401, "AuthenticationRequired")
        raw = request.scope["raw_path"].decode()
        assert raw.count("/") <= 2, "a name is one segment, its slashes are escaped"
        path, query = quote(unquote(raw)), request.query_params
        refused = self._parts(request.method, query, body)
        if refused is not None:
            return refused
        url = f"http://{self._behind}{path}"
        if request.method == "DELETE" and "uploadId" not in query:
            there = await self._client.head(url)
            if there.status_code == 404:
                return _error(404, "NoSuchKey")
        wanted = {k: v for k in ("range", "content-type") if (v := request.headers.get(k))}
        text = request.scope["query_string"].decode()
        answer = await self._client.request(
            request.method, f"{url}?{text}" if text else url, headers=wanted, content=body
        )
        return self._answered(request.method, path, query, answer)

    def _parts(self, method: str, query: Any, body: bytes) -> Response | None:
        upload = query.get("uploadId")
        if upload is None:
            return None
        sizes = self._end.parts.setdefault(upload, [])
        if method == "PUT":
            sizes.append(len(body))
        elif method == "POST" and any(size < _PART_MIN_BYTES for size in sorted(sizes)[1:]):
            return _error(400, "EntityTooSmall")
        return None

    def _answered(self, method: str, path: str, query: Any, answer: httpx2.Response) -> Response:
        status = answer.status_code
        if status == 200 and "content-range" in answer.headers:
            status = 206  # RFC 9110, 15.3.7
        headers = {k: v for k, v in answer.headers.items() if k not in _HOP}
        made = (method == "PUT" and not query) or (method == "POST" and "uploadId" in query)
        if answer.is_success and made:
            self._end.generations[path] = self._end.generations.get(path, 0) + 1
        if answer.is_success and (number := self._end.generations.get(path)):
            headers["x-goog-generation"] = str(number)
        return Response(answer.content, status, headers)


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _error(status: int, code: str) -> Response:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>"
    return Response(body, status, media_type="application/xml")
