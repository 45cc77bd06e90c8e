"""Warm transfers: the caller waits with music while a person is dialled and asked to take them.

Each webhook of the two calls may arrive at another process: their shared state is in the store,
and the first outcome that is recorded there holds.
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
from gateway.ops.store.values import readable
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.twilio_webhooks import RETRIED
from gateway.transports.twilio_rest import TwilioRest

log = structlog.get_logger()

ACCEPTED: Final = "accepted"
CALLER_HUNG_UP: Final = "caller_hung_up"
"""The caller hung up while they waited."""
DECLINED: Final = "declined"
FAILED: Final = "failed"


class WarmTransfer(msgspec.Struct, array_like=True, frozen=True):
    """One attempt to connect a caller to a person."""

    id: str
    call_sid: str
    to: str
    ours: str
    """Caller id of the call to the person; "" where there is none, and Twilio dials them."""
    summary: str
    language: str

    @property
    def queue(self) -> str:
        """Name of the caller's own queue: whoever dials it gets this caller and no other."""
        return f"warm-{self.id}"


_decoder = msgspec.json.Decoder(WarmTransfer)


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
        """Record a transfer; the person is dialled once the caller waits."""
        ours = ours if E164.fullmatch(ours) else ""
        warm = WarmTransfer(self.new_id(), call_sid, to.to, ours, to.summary, language)
        await self._put(warm, "", msgspec.json.encode(warm).decode())
        await self.store.put(_of_call(call_sid), warm.id, limits.outbound.WARM_KEPT_S)
        return warm

    async def find(self, warm_id: str) -> WarmTransfer | None:
        if not warm_id:
            return None
        key = f"warm:{warm_id}"
        warm = readable(key, await self.store.get(key), _decoder.decode)
        return warm if warm is not None and warm.id == warm_id else None

    def after_url(self, warm: WarmTransfer) -> str:
        """Return the URL at which Twilio asks what is next for the caller."""
        return f"{self.public_url}/twilio/after?leg=warm&transfer={warm.id}{RETRIED}"

    # --- The caller waits ---

    async def waits_on(self, warm: WarmTransfer, waited_s: int) -> bool:
        """Dial the person while the caller waits. False: the caller has to leave the queue."""
        outcome, in_time = await self.outcome(warm), waited_s < limits.outbound.WARM_WAIT_MAX_S
        if outcome is None and in_time:
            await self._ring_once(warm)
            return True
        if outcome == ACCEPTED and in_time and await self._get(warm, "over") is None:
            return True  # the two are about to be connected
        if await self.settle(warm, FAILED):
            log.warning("warm_status_missing", call_sid=warm.call_sid)
            self._release_person(warm)
        # A redirect of the caller may be under way, and must stay the only way out of the queue.
        return not await self._claim(warm, "back") and await self._claim(warm, "on the way")

    async def _ring_once(self, warm: WarmTransfer) -> None:
        if await self._claim(warm, "called"):
            self.tasks.start(self._ring(warm), f"warm-dial {warm.call_sid}", last=True)

    async def _ring(self, warm: WarmTransfer) -> None:
        try:
            person_sid = await self.rest.dial(self._order(warm))
        except LinkError as error:
            log.warning("warm_dial_failed", call_sid=warm.call_sid, reason=error.reason)
            await self.nobody_comes(warm, FAILED)
        else:
            await self._put(warm, "person", person_sid)
            if await self.outcome(warm) not in (None, ACCEPTED):
                await self._hang_up(person_sid)

    def _order(self, warm: WarmTransfer) -> dict[str, str | list[str]]:
        """Source: Calls resource, 2010-04-01."""
        return {
            "To": warm.to,
            "From": warm.ours,
            "Url": f"{self.public_url}/twilio/whisper?transfer={warm.id}",
            "Method": "POST",
            "StatusCallback": f"{self.public_url}/twilio/person?transfer={warm.id}",
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": ["completed"],
            "Timeout": str(limits.outbound.WARM_RING_S),
        }

    # --- What becomes of it ---

    async def outcome(self, warm: WarmTransfer) -> str | None:
        """Return the outcome, None as long as there is none."""
        return await self._get(warm, "outcome")

    async def settle(self, warm: WarmTransfer, outcome: str) -> bool:
        """Record the outcome. False when there was one before."""
        if not await self._claim(warm, "settled"):
            return False
        await self._put(warm, "outcome", outcome)
        self.metrics.warm_transfers.labels(outcome).inc()
        return True

    async def accept(self, warm: WarmTransfer) -> bool:
        """Record that the person accepts. False when the caller does not wait any more."""
        return await self.settle(warm, ACCEPTED) or await self.outcome(warm) == ACCEPTED

    async def person_is_over(self, warm: WarmTransfer, outcome: str) -> None:
        """Bring the caller back if the person's call ended without accepting them."""
        await self._put(warm, "over", "1")
        await self.nobody_comes(warm, outcome)

    async def nobody_comes(self, warm: WarmTransfer, outcome: str) -> None:
        if await self.settle(warm, outcome):
            self.tasks.start(self._bring_back(warm), f"warm-return {warm.call_sid}", last=True)

    async def caller_is_over(self, warm: WarmTransfer) -> None:
        """End the person's call too, since the caller has hung up."""
        await self.settle(warm, CALLER_HUNG_UP)
        self._release_person(warm)

    async def call_is_over(self, call_sid: str) -> None:
        """End the warm transfer of a call, if it has one, since that call has ended."""
        warm = await self.find(await self.store.get(_of_call(call_sid)) or "")
        if warm is not None:
            await self.caller_is_over(warm)

    async def left_queue(self, warm: WarmTransfer) -> str:
        """Return why the caller left the queue unconnected, as the outcome of a plain dial."""
        if await self.settle(warm, FAILED):
            self._release_person(warm)
        outcome = await self.outcome(warm)
        return DECLINED if outcome == ACCEPTED else outcome or FAILED

    def forget_queue(self, queue_sid: str) -> None:
        """Delete a queue, which would otherwise stay in the account for ever."""
        self.tasks.start(self._delete_queue(queue_sid), f"delete-queue {queue_sid}", last=True)

    # --- By REST ---

    async def _bring_back(self, warm: WarmTransfer) -> None:
        if not warm.ours or not await self._claim(warm, "back"):
            return
        try:
            await self.rest.redirect_to(warm.call_sid, self.after_url(warm))
        except LinkError as error:
            log.warning("warm_redirect_failed", call_sid=warm.call_sid, reason=error.reason)
            await self.store.delete(_key(warm, "back"))

    def _release_person(self, warm: WarmTransfer) -> None:
        self.tasks.start(self._end_person(warm), f"warm-hang-up {warm.call_sid}", last=True)

    async def _end_person(self, warm: WarmTransfer) -> None:
        person_sid = await self._get(warm, "person")
        if person_sid is not None and await self._get(warm, "over") is None:
            await self._hang_up(person_sid)

    async def _hang_up(self, person_sid: str) -> None:
        try:
            await self.rest.hang_up(person_sid)
        except LinkError as error:
            log.error("warm_hangup_failed", call_sid=person_sid, reason=error.reason)

    async def _delete_queue(self, queue_sid: str) -> None:
        try:
            await self.rest.delete_queue(queue_sid)
        except LinkError as error:
            log.info("queue_not_deleted", queue_sid=queue_sid, reason=error.reason)

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
