"""Doubles of what stands around one running call: for tests of a carrier or of the call alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from gateway.agents.config.privacy import RedactSwitch
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.privacy.call_privacy import CallPrivacy

CALL_SID = "CA" + "1" * 32
CALL_ID = "rtc_1"
MEDIA_CALL = CallInfo(CALL_SID, "+15550199", "+15550100", "reception", "media-streams")
SIP_CALL = CallInfo(CALL_SID, "+15550199", "+15550100", "direct", "sip", CALL_ID)
TRUNK_CALL = CallInfo("", "+15550199", "+15550100", "direct", "sip", CALL_ID)


@dataclass
class SocketDouble:
    """A caller's socket that writes down what is done with it."""

    closed: list[str] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)
    receiver: Any = None

    async def gone_within(self, seconds: float) -> None:
        self.waited_s.append(seconds)

    def take_over(self, receiver: Any) -> None:
        self.receiver = receiver

    def post(self, data: bytes) -> None:
        self.posted.append(data)

    def flush(self) -> None:
        pass

    def close(self, _code: int = 1000, reason: str = "") -> None:
        self.closed.append(reason)


@dataclass(eq=False)
class CallDouble:
    """A running call that writes down what a service tells it."""

    facts: CallInfo = MEDIA_CALL
    ending: Ending | None = None
    media: SocketDouble | None = field(default_factory=SocketDouble)
    over: bool = False
    redact: tuple[RedactSwitch, ...] = ()
    history: ConversationHistory = field(default_factory=ConversationHistory)
    attached: bool = False
    released: bool = False
    notified: list[object] = field(default_factory=list)
    hang_ups: int = 0
    opened: int = 0
    lost: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def machine(self) -> Any:
        return SimpleNamespace(
            ending=self.ending,
            language="en",
            agent=SimpleNamespace(language="en"),
            privacy=CallPrivacy(redact=self.redact),
            history=self.history,
        )

    def notify(self, event: object) -> None:
        self.notified.append(event)

    def new_connection(self) -> ModelConnection:
        return ModelConnection(self)

    def start_hang_up(self) -> None:
        self.hang_ups += 1

    def mark_released(self) -> None:
        self.released = True

    def on_connection_open(self, connection: ModelConnection) -> None:
        self.opened += 1

    def on_connection_text(
        self, connection: ModelConnection, data: bytes | bytearray, now: float
    ) -> None:
        pass

    def on_connection_lost(
        self, connection: ModelConnection, reason: str, refused: bool, now: float
    ) -> None:
        self.lost.append((reason, refused))


class Orders:
    """A vendor's API of any methods: writes down what is asked, and fails as it is told to.

    `failures` are raised one after the other, None for an order that works.
    """

    def __init__(self, *failures: Exception | None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._failures = list(failures)

    def __getattr__(self, order: str) -> Any:
        async def ask(*arguments: Any) -> None:
            self.asked.append((order, *arguments))
            failure = self._failures.pop(0) if self._failures else None
            if failure is not None:
                raise failure

        return ask
