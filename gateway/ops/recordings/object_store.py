"""Where recordings are kept: a folder or an object store, through one client (`obstore`)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.errors import LinkError, SettingsError
from gateway.limits import recordings as limits

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_T = TypeVar("_T")


class ObjectMissing(Exception):
    """There is no such object."""


class RecordingObjects:
    """Objects below one URL: `file://`, `s3://`, `gs://` or `az://`.

    Credentials and endpoints come from the environment, under the names that the vendors'
    own tools use. The client is imported and made when it is first needed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: ObjectStore | None = None

    def open(self) -> None:
        """Make the client. Raises SettingsError."""
        import obstore  # noqa: PLC0415 - 4 MB: only who has recordings needs it
        from obstore import store  # noqa: PLC0415

        try:
            if self._url.startswith("file://"):
                folder = Path(self._url.removeprefix("file://"))
                self._made = store.LocalStore(folder, mkdir=True)
                return
            options: Any = {
                "timeout": f"{limits.STORE_REQUEST_MAX_S}s",
                "connect_timeout": f"{limits.STORE_CONNECT_MAX_S}s",
                # The operator's own endpoint may be plain HTTP, if they say so.
                "allow_http": os.environ.get(self._endpoint_name, "").startswith("http:"),
            }
            self._made = store.from_url(
                self._url, client_options=options, retry_config={"max_retries": 1}
            )
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise SettingsError(
                f"GATEWAY_RECORDINGS cannot be opened: {_first_line(error)}."
            ) from None

    @property
    def _endpoint_name(self) -> str:
        """The vendor's name, in the environment, of an address in place of its own."""
        return "GOOGLE_BASE_URL" if self._url.startswith("gs:") else "AWS_ENDPOINT_URL"

    @property
    def _store(self) -> ObjectStore:
        """The client; made again as long as it cannot be made. Raises LinkError."""
        try:
            if self._made is None:
                self.open()
        except SettingsError as error:
            raise LinkError(str(error), retryable=True) from None
        assert self._made is not None  # noqa: S101 - `open` raises otherwise
        return self._made

    def _empty(self) -> bool:
        """Return whether nothing was ever stored in the folder, which needs no client to say."""
        if self._made is not None or not self._url.startswith("file://"):
            return False
        try:
            return not any(Path(self._url.removeprefix("file://")).iterdir())
        except FileNotFoundError:
            return True
        except OSError:
            return False  # the client says what is wrong

    async def put(self, name: str, content: Path | bytes) -> None:
        """Store a file or bytes, in place of what was there. Raises LinkError."""
        import obstore  # noqa: PLC0415

        await self._tried(obstore.put_async(self._store, name, content))

    async def size(self, name: str) -> int:
        """Raises ObjectMissing, LinkError."""
        import obstore  # noqa: PLC0415

        return int((await self._tried(obstore.head_async(self._store, name)))["size"])

    async def read(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes of a range, `end` not included. Raises ObjectMissing, LinkError."""
        import obstore  # noqa: PLC0415

        if start >= end:
            return b""
        return bytes(
            await self._tried(obstore.get_range_async(self._store, name, start=start, end=end))
        )

    async def fetch(self, name: str, target: Path) -> None:
        """Write an object to a file, without keeping it in memory. Raises as `read`, OSError."""
        size, at = await self.size(name), 0
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            while at < size:
                file.write(await self.read(name, at, min(size, at + limits.FETCH_BYTES)))
                at = file.tell()

    async def names(
        self, prefix: str, most: int = limits.SWEPT_MAX
    ) -> AsyncIterator[tuple[str, float]]:
        """Yield name and Unix time of the last change of objects in a folder. Raises LinkError."""
        if self._empty():
            return
        import obstore  # noqa: PLC0415

        found = 0
        stream = obstore.list(self._store, prefix)
        while found < most:
            try:
                batch = await self._tried(anext(stream))
            except StopAsyncIteration:
                return
            except ObjectMissing:
                return
            for one in batch[: most - found]:
                found += 1
                yield one["path"], one["last_modified"].timestamp()

    async def delete(self, name: str) -> None:
        """Delete an object; one that is not there is deleted. Raises LinkError."""
        import obstore  # noqa: PLC0415

        try:
            await self._tried(obstore.delete_async(self._store, name))
        except ObjectMissing:
            return

    async def _tried(self, work: Awaitable[_T]) -> _T:
        import obstore  # noqa: PLC0415

        try:
            return await work
        except FileNotFoundError:
            raise ObjectMissing from None
        except (obstore.exceptions.BaseError, OSError) as error:
            # Only what kind it is: the text of a vendor's error may hold an address with a token.
            raise LinkError(type(error).__name__, retryable=True) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
