"""Types of environment variables: each kind of value with its check and error sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from re import fullmatch
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, SecretStr

from gateway import limits

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"


def split_url(text: str) -> SplitResult | None:
    """Return the parts of a URL, or None when the text cannot be one."""
    if not (text.isascii() and text.isprintable()) or any(mark in text for mark in ' ?#@\\"<>'):
        return None
    try:
        parts = urlsplit(text)
        host = parts.netloc.removesuffix(f":{parts.port}")
    except ValueError:
        return None
    return parts if fullmatch(_HOST, host) and parts.port != 0 else None


def _has_port(url: str) -> bool:
    """Return whether the URL has a valid port, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _given(parse: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def fitting(pattern: str, problem: str) -> BeforeValidator:
    """Accept a text that matches `pattern`; refuse others with the sentence `problem`."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and not fullmatch(pattern, value):
            raise ValueError(problem)
        return value

    return BeforeValidator(check)


def number(kind: type[int] | type[float], low: float, high: float) -> BeforeValidator:
    """Accept a number in decimal digits between two bounds, both included."""
    what = "a whole number" if kind is int else "a number"
    pattern = r"[0-9]{1,9}" if kind is int else r"[0-9]{1,9}(\.[0-9]{1,6})?"

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not fullmatch(pattern, value.strip()) or not low <= kind(value) <= high:
            raise ValueError(f"must be {what} from {_plain(low)} to {_plain(high)}")
        return kind(value)

    return BeforeValidator(check)


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("must be a time like 2026-12-25T09:00+01:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A point in time in ISO 8601; without an offset it is UTC."""


def one_of(*names: str) -> BeforeValidator:
    """Accept one of these names, in upper or lower case."""
    choice = f"must be {', '.join(names[:-1])} or {names[-1]}"

    def check(value: Any) -> Any:
        if isinstance(value, str) and (value := value.lower()) not in names:
            raise ValueError(choice)
        return value

    return BeforeValidator(check)


def some_secrets(prefix: str = "") -> BeforeValidator:
    """Accept secrets separated by commas, each without blanks and with the vendor's prefix."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        secrets = tuple(part.strip() for part in value.split(","))
        if not all(fullmatch(rf"{prefix}[!-~]+", secret) for secret in secrets):
            form = f" that start with {prefix}" if prefix else ""
            raise ValueError(f"must be one or several secrets{form}, separated by commas")
        return secrets

    return BeforeValidator(check)


def as_flag(value: Any) -> Any:
    """Return a text of a flag as a bool, other values unchanged. Raises ValueError."""
    if isinstance(value, str):
        if value.lower() not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
            raise ValueError("must be 1 or 0")
        return value.lower() in {"1", "true", "yes", "on"}
    return value


def _public_url(text: str) -> str:
    parts = split_url(text)
    allowed = parts is not None and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )
    if parts is None or not allowed or parts.path.strip("/"):
        raise ValueError(
            "must be https:// and a host with nothing behind it, like https://gateway.example.com"
        )
    return f"{parts.scheme}://{parts.netloc}"


def _base_url(text: str) -> str:
    parts = split_url(text)
    if parts is None or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an http(s):// address without a query, such as the default")
    return text.rstrip("/")


def _store(text: str) -> str:
    known = fullmatch(r"rediss?://[^\s/?#]+(/\d*)?(\?\S*)?", text) and _has_port(text)
    if text != "memory://" and not known:
        raise ValueError("must be memory:// or redis://HOST:PORT/DB (rediss:// for TLS)")
    return text


def _database(text: str) -> str:
    file = fullmatch(r"sqlite:///[^\s?#]+", text)
    server = fullmatch(r"postgres(ql)?://[^\s#]+", text) and _has_port(text)
    if not file and not server:
        raise ValueError("must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return text


def _events_url(text: str) -> str:
    # A secret in a query is the receiver's business, and not shown; one in front of @ is refused.
    parts = split_url(text.partition("?")[0])
    if parts is None or parts.scheme not in {"http", "https"} or not fullmatch(r"[!-~]+", text):
        raise ValueError("must be an http(s):// address, like https://crm.example.com/calls")
    return text


def _recordings(text: str) -> str:
    bucket = r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]{1,62}(/[A-Za-z0-9._/-]*)?"
    if not fullmatch(rf"file:///[^?#]+|{bucket}", text) or ".." in text.split("/"):
        raise ValueError(
            "must be file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
            "az://CONTAINER/PREFIX"
        )
    return text.rstrip("/")


def named_tokens(value: Any) -> Any:
    """Parse NAME:ROLE:TOKEN, separated by commas, or one a line in a file (`file:///PATH`)."""
    if not isinstance(value, str):
        return value
    if value.startswith("file://"):
        value = _lines_of(Path(value.removeprefix("file://")))
        if not value:
            return ()
    tokens = tuple(part.strip() for part in value.split(","))
    form = r"[A-Za-z0-9._-]{1,64}:(viewer|operator|admin):[!-~]+"
    names = [token.partition(":")[0] for token in tokens]
    if (
        not all(fullmatch(form, token) for token in tokens)
        or len(set(names)) < len(names)
        or len(names) > limits.api.TOKENS_GIVEN_MAX
    ):
        raise ValueError(
            "must be NAME:ROLE:TOKEN, separated by commas: each name once, the role viewer, "
            "operator or admin"
        )
    return tokens


def _lines_of(file: Path) -> str:
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"names a file that cannot be read ({file})") from None
    return ",".join(line for line in lines if line and not line.startswith("#"))


def _sip_host(text: str) -> str:
    if not fullmatch(rf"({_HOST})(:\d{{1,5}})?", text) or not _has_port(f"sip://{text}"):
        raise ValueError("must be a host name, like sip.api.openai.com")
    return text


def _prefixes(value: Any) -> Any:
    """Parse prefixes of numbers, separated by commas."""
    if not isinstance(value, str):
        return value
    prefixes = tuple(part.strip() for part in value.split(",") if part.strip())
    if len(prefixes) > limits.agents.DIAL_COUNTRIES_MAX or not all(
        fullmatch(r"\+[1-9][0-9]{0,6}", prefix) for prefix in prefixes
    ):
        raise ValueError("must be starts of numbers, separated by commas, like +1,+44")
    return prefixes


Secret = Annotated[SecretStr, fitting(r"[!-~]+", "must be one secret without blanks")]
Flag = Annotated[bool, BeforeValidator(as_flag)]
PublicUrl = Annotated[str, _given(_public_url)]
BaseUrl = Annotated[str, _given(_base_url)]
StoreUrl = Annotated[SecretStr, _given(_store)]
EventsUrl = Annotated[SecretStr, _given(_events_url)]
DatabaseUrl = Annotated[SecretStr, _given(_database)]
RecordingsUrl = Annotated[str, _given(_recordings)]
SipHost = Annotated[str, _given(_sip_host)]
ListenHost = Annotated[
    str, fitting(rf"{_HOST}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*", "must be an address to listen on")
]


def _origins(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts_given = (part.strip().lower().removesuffix("/") for part in value.split(","))
    origins = tuple(part for part in parts_given if part)
    for origin in origins:
        parts = split_url(origin)
        secure = parts is not None and (parts.scheme == "https" or _is_local(parts))
        if parts is None or parts.path or not secure:
            raise ValueError(
                "must be origins like https://www.example.com, separated by commas: without a "
                "path, and http:// for this machine only"
            )
    if len(origins) > limits.phone.ORIGINS_MAX:
        raise ValueError(f"may name at most {limits.phone.ORIGINS_MAX} origins")
    return origins


def _is_local(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


Origins = Annotated[tuple[str, ...], BeforeValidator(_origins)]
Prefixes = Annotated[tuple[str, ...], BeforeValidator(_prefixes)]
