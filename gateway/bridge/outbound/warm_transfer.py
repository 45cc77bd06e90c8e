"""A warm transfer: the caller waits with music while a person is rung up and asked for him.

Each webhook of the two calls may come in at another process: what they have to know of each other
stands in the store, and whoever settles a transfer first has settled it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from gateway import limits
from gateway.agents.config.outbound import E164
from gateway.bridge.calls.tasks import Tasks
from gateway.call.commands import TransferCaller
from gateway.errors import LinkError
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.metrics import Metrics
from gateway.transports.twilio_rest import TwilioRest

log = structlog.get_logger()

TAKEN: Final = "taken"
LEFT: Final = "left"
"""The caller hung up while he waited."""
DECLINED: Final = "declined"
FAILED: Final = "failed"


class WarmTransfer(msgspec.Struct, array_like=True, frozen=True):
    """One try to hand a caller to a person."""

    id: str
    call_sid: str
    to: str
    ours: str
    """The number that the person is rung from; "" where there is none, and Twilio dials him."""
    summary: str
    language: str

    @property
    def queue(self) -> str:
        """His own: whoever dials it gets this caller and no other."""
        return f"warm-{self.id}"


@dataclass
class WarmTransfers:
    public_url: str
    store: Store
    metrics: Metrics
    tasks: Tasks
    rest: TwilioRest
    new_id: Callable[[], str] = field(default=lambda: secrets.token_hex(8))

    async def begin(
        self, call_sid: str, ours: str, to: TransferCaller, language: str
    ) -> WarmTransfer:
        """Nobody is rung before the caller waits."""
        ours = ours if E164.fullmatch(ours) else ""
        warm = WarmTransfer(self.new_id(), call_sid, to.to, ours, to.summary, language)
        await self._put(warm, "", msgspec.json.encode(warm).decode())
        await self.store.put(_of_call(call_sid), warm.id, limits.outbound.WARM_KEPT_S)
        return warm

    async def find(self, warm_id: str) -> WarmTransfer | None:
        text = await self.store.get(f"warm:{warm_id}") if warm_id else None
        return msgspec.json.decode(text, type=WarmTransfer) if text else None

    def after_url(self, warm: WarmTransfer) -> str:
        """Where Twilio asks what becomes of the caller."""
        return f"{self.public_url}/twilio/after?leg=warm&transfer={warm.id}"

    # --- The caller waits ---

    async def waits_on(self, warm: WarmTransfer, waited_s: int) -> bool:
        """Twilio asks what he is to hear; False has him leave the queue."""
        outcome, in_time = await self.outcome(warm), waited_s < limits.outbound.WARM_WAIT_MAX_S
        if outcome is None and in_time:
            await self._ring_once(warm)
            return True
        if outcome == TAKEN and in_time and await self._get(warm, "over") is None:
            return True  # the two are about to be connected
        if await self.settle(warm, FAILED):
            log.warning("no word of a person who was rung", call_sid=warm.call_sid)
            self._let_go(warm)
        # An order to bring him back may be under way: two ways out at once would be one too many.
        return not await self._claim(warm, "back") and await self._claim(warm, "on the way")

    async def _ring_once(self, warm: WarmTransfer) -> None:
        if await self._claim(warm, "rung"):
            self.tasks.start(self._ring(warm), f"ring a person {warm.call_sid}", last=True)

    async def _ring(self, warm: WarmTransfer) -> None:
        try:
            person_sid = await self.rest.dial(self._order(warm))
        except LinkError as error:
            log.warning("a person was not rung", call_sid=warm.call_sid, reason=error.reason)
            await self.nobody_comes(warm, FAILED)
        else:
            await self._put(warm, "person", person_sid)
            if await self.outcome(warm) not in (None, TAKEN):
                await self._hang_up(person_sid)

    def _order(self, warm: WarmTransfer) -> dict[str, str | list[str]]:
        """Source: Calls resource, 2010-04-01."""
        return {
            "To": warm.to,
            "From": warm.ours,
            "Url": f"{self.public_url}/twilio/whisper?transfer={warm.id}",
            "Method": "POST",
            "StatusCallback": f"{self.public_url}/twilio/rung?transfer={warm.id}",
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": ["completed"],
            "Timeout": str(limits.outbound.WARM_RING_S),
        }

    # --- What becomes of it ---

    async def outcome(self, warm: WarmTransfer) -> str | None:
        """None as long as nothing is settled."""
        return await self._get(warm, "outcome")

    async def settle(self, warm: WarmTransfer, outcome: str) -> bool:
        """False when it was settled before."""
        if not await self._claim(warm, "settled"):
            return False
        await self._put(warm, "outcome", outcome)
        self.metrics.warm_transfers.labels(outcome).inc()
        return True

    async def takes(self, warm: WarmTransfer) -> bool:
        """The person has pressed the key; False when the caller does not wait any more."""
        return await self.settle(warm, TAKEN) or await self.outcome(warm) == TAKEN

    async def person_is_over(self, warm: WarmTransfer, outcome: str) -> None:
        """His call has ended: if he never took the caller, that one is brought back."""
        await self._put(warm, "over", "1")
        await self.nobody_comes(warm, outcome)

    async def nobody_comes(self, warm: WarmTransfer, outcome: str) -> None:
        if await self.settle(warm, outcome):
            self.tasks.start(self._bring_back(warm), f"bring back {warm.call_sid}", last=True)

    async def caller_is_over(self, warm: WarmTransfer) -> None:
        """Nobody is left to be taken; a call that he had with the person is over as well."""
        await self.settle(warm, LEFT)
        self._let_go(warm)

    async def call_is_over(self, call_sid: str) -> None:
        """The same, of a call of which only that is told."""
        warm = await self.find(await self.store.get(_of_call(call_sid)) or "")
        if warm is not None:
            await self.caller_is_over(warm)

    async def came_out(self, warm: WarmTransfer) -> str:
        """He has left the queue and was not connected: why, as the status of a plain dial."""
        if await self.settle(warm, FAILED):
            self._let_go(warm)
        outcome = await self.outcome(warm)
        return DECLINED if outcome == TAKEN else outcome or FAILED

    def forget_queue(self, queue_sid: str) -> None:
        """A queue would stay for ever in the account."""
        self.tasks.start(self._delete_queue(queue_sid), f"delete {queue_sid}", last=True)

    # --- By REST ---

    async def _bring_back(self, warm: WarmTransfer) -> None:
        if not warm.ours or not await self._claim(warm, "back"):
            return
        try:
            await self.rest.redirect_to(warm.call_sid, self.after_url(warm))
        except LinkError as error:
            log.warning("a caller waits on", call_sid=warm.call_sid, reason=error.reason)
            await self.store.delete(_key(warm, "back"))

    def _let_go(self, warm: WarmTransfer) -> None:
        self.tasks.start(self._end_person(warm), f"let go {warm.call_sid}", last=True)

    async def _end_person(self, warm: WarmTransfer) -> None:
        person_sid = await self._get(warm, "person")
        if person_sid is not None and await self._get(warm, "over") is None:
            await self._hang_up(person_sid)

    async def _hang_up(self, person_sid: str) -> None:
        try:
            await self.rest.hang_up(person_sid)
        except LinkError as error:
            log.error("could not end a call", call_sid=person_sid, reason=error.reason)

    async def _delete_queue(self, queue_sid: str) -> None:
        try:
            await self.rest.delete_queue(queue_sid)
        except LinkError as error:
            log.info("a queue was not deleted", queue_sid=queue_sid, reason=error.reason)

    # --- In the store ---

    async def _claim(self, warm: WarmTransfer, what: str) -> bool:
        return await self.store.claim(_key(warm, what), limits.outbound.WARM_KEPT_S)

    async def _get(self, warm: WarmTransfer, what: str) -> str | None:
        return await self.store.get(_key(warm, what))

    async def _put(self, warm: WarmTransfer, what: str, value: str) -> None:
        await self.store.put(_key(warm, what), value, limits.outbound.WARM_KEPT_S)


def _key(warm: WarmTransfer, what: str) -> str:
    return f"warm:{warm.id}:{what}" if what else f"warm:{warm.id}"


def _of_call(call_sid: str) -> str:
    return f"warm-of:{call_sid}"
