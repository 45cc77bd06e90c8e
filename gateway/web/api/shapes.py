"""Bodies and answers of the operators' API: these types are its schemas."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway import limits
from gateway.ops.records.record import CallSummary

_FactName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
_Fact = (
    Annotated[str, Meta(max_length=limits.briefing.FACT_VALUE_MAX_CHARS)]
    | Annotated[int, Meta(ge=-(2**53), le=2**53)]
    | Annotated[float, Meta(ge=-1e15, le=1e15)]
    | bool
    | None
    | list[Any]
    | dict[str, Any]
)


_NO_BLANK = r"[^\s\x1c-\x1f\x85\ufeff]"
"""One character that is no space. What `\\s` leaves out differs between Python and ECMAScript,
whose expressions the description's readers use; here both refuse the same."""


class SayBody(Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=limits.api.SAY_MAX_CHARS, pattern=_NO_BLANK)]
    """Text that is said word for word."""


class TransferBody(Struct, forbid_unknown_fields=True):
    to: Annotated[
        str, Meta(min_length=1, max_length=limits.agents.AGENT_NAME_MAX_CHARS, pattern=_NO_BLANK)
    ]
    """Name of one of the agent's transfers, or a number in E.164 (+15550123)."""
    summary: Annotated[str, Meta(max_length=limits.call.SUMMARY_MAX_CHARS)] = ""
    """Summary for the person, where the transfer is a warm one."""


class DecisionBody(Struct, forbid_unknown_fields=True):
    approve: bool


class DialBody(Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    to: Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
    """Number to call, in E.164."""
    agent: Annotated[str, Meta(min_length=1, max_length=limits.agents.AGENT_NAME_MAX_CHARS)]
    from_: Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = None
    """Caller id, one of our numbers; without it, the agent's."""
    about: Annotated[str, Meta(max_length=limits.briefing.ABOUT_MAX_CHARS)] = ""
    """What the call is for, told to the agent."""
    facts: Annotated[dict[_FactName, _Fact], Meta(max_length=limits.briefing.FACTS_MAX)] = {}
    """Facts by name, for the agent and for placeholders in its texts."""


class PhoneLinkBody(Struct, forbid_unknown_fields=True):
    agent: Annotated[str, Meta(min_length=1, max_length=limits.agents.AGENT_NAME_MAX_CHARS)]
    seconds: Annotated[float, Meta(ge=limits.phone.LINK_MIN_S, le=limits.phone.LINK_MAX_S)] = (
        limits.phone.LINK_DEFAULT_S
    )
    """How long calls can be started with the link."""


class PhoneLink(Struct):
    url: str
    """Address of a page that calls the agent, for anybody who has it."""
    agent: str
    expires_at: str
    """RFC 3339, UTC."""


class DoneBody(Struct):
    """Action that was requested; its outcome stands in the call's record."""

    call: str
    action: str


class CallList(Struct):
    calls: list[CallSummary]
    """Running calls, then ended ones, each newest first."""
    next: str | None
    """Cursor of the next page; null behind the last."""
    complete: bool
    """False while the database is away: ended calls that wait for it are listed, and no others."""
    elsewhere: list[str]
    """Ids of running calls that another process has."""


class AgentInfo(Struct):
    name: str
    model: str
    voice: str
    path: str
    language: str
    tools: list[str]
    transfers: list[str]
    record: str
    greeting: str | None
    recorded: bool
    """Whether its calls are recorded."""


class AgentList(Struct):
    agents: list[AgentInfo]
