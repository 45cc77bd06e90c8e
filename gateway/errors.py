"""Exceptions of this package, by whose fault they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self


class GatewayError(Exception):
    """Root of everything this package raises on purpose; its text is one sentence for a person."""


class SettingsError(GatewayError):
    """The operator's environment is wrong: the process exits 64 with this sentence."""


class FileError(GatewayError):
    """A file of the operator's is wrong: where, and what to do."""

    def __init__(self, file: Path | str, line: int | None, key: str | None, problem: str) -> None:
        self.file, self.line, self.key, self.problem = str(file), line, key, problem
        place = f"{file}:{line}" if line is not None else str(file)
        super().__init__(f"{place}: {key}: {problem}" if key else f"{place}: {problem}")
        self.others: tuple[FileError, ...] = ()
        """More that is wrong in the file; all of it stands in the text, a line for each."""

    def with_others(self, others: Sequence[FileError]) -> Self:
        """Add what else is wrong in the same file."""
        self.others = tuple(others)
        self.args = ("\n".join(map(str, (self, *others))),)
        return self


class AgentFileError(FileError):
    """The agents file cannot be used."""


class TemplateError(FileError):
    """A TwiML template cannot be used."""


class PriceFileError(FileError):
    """The price list cannot be used."""


class ScenarioError(FileError):
    """A scenario of the simulator cannot be used."""


class PeerError(GatewayError):
    """The other end broke its own protocol: warn, count, go on if possible."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        super().__init__(f"{kind}: {detail}" if detail else kind)


class BugError(GatewayError):
    """Bug of this package: one of its own rules was broken."""


class SignatureRefused(GatewayError):
    """A request did not carry a signature that verifies: 403, counted by reason."""

    def __init__(self, reason: str, url: str = "") -> None:
        self.reason, self.url = reason, url
        super().__init__(f"{reason} (checked against {url})" if url else reason)


class NotAdmitted(GatewayError):
    """A call is not taken now."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NotDialled(GatewayError):
    """A call out is not placed: `reason` is from a closed set, the text one sentence."""

    def __init__(self, reason: str, sentence: str, retry_s: float = 0.0) -> None:
        self.reason, self.retry_s = reason, retry_s
        super().__init__(sentence)


class LinkError(GatewayError):
    """A connection that we opened failed."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        self.reason, self.retryable = reason, retryable
        super().__init__(reason)


class StoreError(GatewayError):
    """The shared store did not serve a request, or not in time."""


class StoreValueError(StoreError):
    """One key of the shared store has a value of another type; all other keys work."""


class DatabaseAway(GatewayError):
    """The database did not serve a request, or not in time: the request may be repeated."""


class DatabaseBusy(DatabaseAway):
    """Too many requests wait for the database already."""


class ServiceUnreachable(GatewayError):
    """A command line tool could not reach what it needs: exit 69."""


class ToolError(GatewayError):
    """A tool failed, in words that the model can use; `reason` is for the log, without words."""

    def __init__(self, words: str, reason: str = "") -> None:
        super().__init__(words)
        self.reason = reason
