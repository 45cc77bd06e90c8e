"""Carriers of a call, and what each can do with it: end, transfer or release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.bridge.calls.running_call import RunningCall
from gateway.call.commands import CollectSecret, TransferCaller


class Carrier(Protocol):
    """One way callers reach this gateway, shared by all calls that came that way.

    What the core of a call must know of the outcome goes back to it by `call.notify`.
    """

    async def hang_up(self, call: RunningCall) -> None:
        """End the telephone call, by whatever works."""

    async def transfer(self, call: RunningCall, to: TransferCaller) -> None:
        """Connect the caller elsewhere; a failure comes back as `TransferFailed`."""

    async def collect(self, call: RunningCall, secret: CollectSecret) -> None:
        """Have the caller type a secret; a failure comes back as `TransferFailed`."""

    async def release(self, call: RunningCall) -> None:
        """Leave the call to another process; a failure comes back as `TransferFailed`."""

    def close(self, call: RunningCall) -> None:
        """Close what connects the caller to this process."""


@dataclass(frozen=True, slots=True)
class Carriers:
    """Every way a call can come in."""

    twilio: Carrier
    sip: Carrier
    browser: Carrier
