"""The plan for the end of a call: why it ends or where the caller goes, and the last word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import limits
from gateway.agents.config import transfers
from gateway.agents.config.transfers import Fallback
from gateway.call.commands import CollectSecret, TransferCaller
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending


@dataclass(frozen=True, slots=True)
class EndPlan:
    """A decided end: its name, its target, and whether the caller may revoke it."""

    ending: Ending
    call_id: str | None = None
    """The function call that asked for it; None when the call's own rules did."""
    to: TransferCaller | CollectSecret | None = None
    """The target of a transfer, or what the caller is to type; None hangs up."""
    firm: bool = False
    """Whether nothing that the caller says revokes it: an operator decided it."""
    message: str | None = None
    """Left word for word with a machine, to which nobody listens any more."""

    @property
    def request(self) -> Mapping[str, Any]:
        """The response that is asked for if the model has not said anything yet."""
        if self.message is not None:
            return prompts.word_for_word(self.message)
        if self.collects:
            return prompts.instructed(prompts.TYPE_NOW)
        return prompts.instructed(prompts.FAREWELL if self.to is None else prompts.CONNECTING)

    @property
    def collects(self) -> bool:
        """Whether the caller leaves to type a secret, and comes back."""
        return isinstance(self.to, CollectSecret)

    @property
    def failed(self) -> str:
        """The output of the function when the caller could not leave."""
        return prompts.NOT_COLLECTED if self.collects else prompts.TRANSFER_FAILED

    @property
    def revoked(self) -> str:
        """The output of the function when the caller revoked it."""
        if self.collects:
            return prompts.NOT_TYPED
        return prompts.NOT_ENDED if self.to is None else prompts.NOT_TRANSFERRED


class TransferArguments(msgspec.Struct):
    """Arguments that the model gave to `transfer`."""

    target: str = ""
    summary: str = ""


def target_of(arguments: str | None) -> TransferArguments:
    """Return the arguments of `transfer`, empty where they cannot be read: models invent them."""
    try:
        return msgspec.json.decode(arguments or "", type=TransferArguments)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return TransferArguments()


def way_to(party: transfers.TransferDestination, summary: str = "") -> TransferCaller:
    """Return the command that takes the caller there."""
    if party.queue is not None:
        return TransferCaller(party.queue, "queue")
    if party.warm:
        return TransferCaller(
            party.to or "", "warm", summary.strip()[: limits.call.SUMMARY_MAX_CHARS]
        )
    return TransferCaller(party.to or "")


def to_fallback(fallback: Fallback | None) -> TransferCaller | None:
    """Return the transfer that the agent names for the time when it cannot go on."""
    if fallback is None or (fallback.to is None and fallback.queue is None):
        return None
    return (
        TransferCaller(fallback.to)
        if fallback.to
        else TransferCaller(fallback.queue or "", "queue")
    )
