"""SIP addresses of `<Sip>`, INVITE and Refer-To, parsed strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_URI: Final = re.compile(
    r"(?P<scheme>sips?|tel):(?P<core>[^\s;?<>\"]+)(?P<params>(;[^\s;?<>\"]+)*)"
    r"(\?(?P<headers>[^\s?<>\"]*))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SipAddress:
    """SIP address `sip:user@host;parameter=value?Header=value`; a `tel:` has only a user."""

    scheme: str
    user: str
    host: str
    parameters: dict[str, str]
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def party(self) -> str:
        """Party that the address reaches: a number, else user and host."""
        if re.fullmatch(r"\+?\d+", self.user):
            return self.user
        return f"{self.scheme}:{self.user}@{self.host}"

    @property
    def request_uri(self) -> str:
        """Address without headers, as in the first line of an INVITE."""
        parameters = "".join(
            f";{name}={value}" if value else f";{name}" for name, value in self.parameters.items()
        )
        core = f"{self.user}@{self.host}" if self.host else self.user
        return f"{self.scheme}:{core}{parameters}"


def parse(text: str) -> SipAddress:
    """Parse an address. Raises ValueError for what is no SIP or telephone address."""
    match = _URI.fullmatch(text)
    if match is None:
        raise ValueError(f"no SIP address: {text!r}")
    scheme = match["scheme"].lower()
    user, _, host = match["core"].rpartition("@")
    if scheme == "tel":
        user, host = match["core"], ""
    elif not user or not host:
        raise ValueError(f"a SIP address has a user and a host: {text!r}")
    parameters: dict[str, str] = {}
    for part in filter(None, match["params"].split(";")):
        name, _, value = part.partition("=")
        parameters[name.lower()] = value
    return SipAddress(scheme, unquote(user), host, parameters, _headers(match["headers"] or ""))


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in text.split("&") if part)
    return tuple((unquote(name), unquote(value)) for name, _, value in pairs)
