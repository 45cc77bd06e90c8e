"""Protocol of a running call, as carriers, the model connector and subscribers use it."""

from __future__ import annotations

from typing import Protocol

from gateway.bridge.calls.agents_in_use import AgentsVersion
from gateway.bridge.calls.model_connection import ConnectionOwner, ModelConnection
from gateway.call.call_info import CallInfo
from gateway.call.machine import CallMachine
from gateway.ops.billing.bills import Bill
from gateway.transports.media_socket import MediaSocket


class RunningCall(ConnectionOwner, Protocol):
    """One running call, as the services below it see it.

    `LiveCall` is the only one in the product; the protocol lets services be imported by it.
    """

    @property
    def facts(self) -> CallInfo: ...

    @property
    def machine(self) -> CallMachine: ...

    @property
    def bill(self) -> Bill: ...

    @property
    def agents(self) -> AgentsVersion:
        """The version of the agents file with which it began."""

    @property
    def media(self) -> MediaSocket | None:
        """The caller's socket; None before it came and after it closed."""

    @property
    def over(self) -> bool: ...

    @property
    def attached(self) -> bool:
        """Whether its session was connected to at least once."""

    @property
    def released(self) -> bool:
        """Whether another process steers the call now, and its leg goes on."""

    def notify(self, event: object) -> None:
        """Pass one input to the call core, now."""

    def new_connection(self) -> ModelConnection:
        """Replace the connection in use by one that is not open yet."""

    def start_hang_up(self) -> None:
        """Have the carrier end the telephone call, in a task of its own."""

    def mark_released(self) -> None:
        """Record that another process steers the call now."""

    def spend_reached(self, share: float) -> None:
        """Report to the call core which share of the spend limit is used up."""
