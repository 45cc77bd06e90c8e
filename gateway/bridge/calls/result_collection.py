"""Collection of a call's result from the model, after the conversation and beside everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import structlog

from gateway import limits
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.model_connector import ModelConnector
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.services import CallServices
from gateway.call import events
from gateway.call.result.dialogue import ResultDialogue
from gateway.call.state_machines import LinkState
from gateway.errors import LinkError, PeerError
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_codec
from gateway.protocols import realtime_server as model

log = structlog.get_logger()


class ResultCollection:
    """One call's: takes over the connection that the call leaves, or opens another one.

    On the SIP path a session ends with its leg, so there it is always another one. What the
    result costs, words that came late and the result itself are published as call events.
    """

    def __init__(
        self,
        call: RunningCall,
        dialogue: ResultDialogue,
        connector: ModelConnector,
        publish: Callable[[RunningCall, events.CallEvent], None],
    ) -> None:
        self._call, self._dialogue = call, dialogue
        self._connector, self._publish = connector, publish
        self._connection: ModelConnection | None = None
        self._sessions_left = limits.results.TRIES
        self._changed = asyncio.Event()
        self._transcribed: set[str] = set()

    def take_over(self, connection: ModelConnection, new_id: Callable[[], str]) -> None:
        """Use this session; what it was about to say nobody hears any more."""
        self._connection = connection
        connection.hand_to(self)
        if self._call.machine.responding:
            connection.post(to_model.response_cancel(new_id()))

    async def run(self) -> None:
        """Return when the result is published, filed or not."""
        dialogue = self._dialogue
        try:
            if self._connection is not None:
                self._send(dialogue.connected(monotonic()))
            while dialogue.filed is None:
                if self._connection is None:
                    await self._open()
                else:
                    await self._wait()
        except asyncio.CancelledError:
            dialogue.give_up("process_stopped")
            raise
        except Exception:
            log.exception("result_failed", call_sid=self._call.facts.key)
            dialogue.give_up("bug")
        finally:
            if self._connection is not None:
                self._connection.close()
            if dialogue.filed is not None:
                self._publish(self._call, dialogue.filed)

    async def _wait(self) -> None:
        """Wait for the next event, or for what is due."""
        try:
            async with asyncio.timeout(self._dialogue.deadline - monotonic()):
                await self._changed.wait()
        except TimeoutError:
            self._send(self._dialogue.tick(monotonic()))
        self._changed.clear()

    async def _open(self) -> None:
        if not self._sessions_left:
            return self._dialogue.give_up("model_lost")
        pause_s = 0.0 if self._sessions_left == limits.results.TRIES else limits.results.PAUSE_S
        self._sessions_left -= 1
        self._connection = ModelConnection(self)
        agent = self._call.machine.agent
        try:
            await self._connector.open_session(
                self._connection, self._call.facts, agent.model, pause_s
            )
        except LinkError as error:
            self._connection = None
            if not error.retryable or not self._sessions_left:
                self._dialogue.give_up("model_unreachable")

    def _send(self, messages: list[bytes]) -> None:
        for message in messages:
            if self._connection is not None:
                self._connection.post(message)

    # --- From the connection ---

    def on_connection_open(self, connection: ModelConnection) -> None:
        """Wait for the server's first event: only then can anything be asked."""

    def on_connection_text(
        self, connection: ModelConnection, data: bytes | bytearray, now: float
    ) -> None:
        if connection is not self._connection:
            return
        try:
            event = realtime_codec.parse(data)
        except PeerError:
            return  # what cannot be read is no answer; the time for one is bounded
        if type(event) is model.RepairedEvent:
            event = event.event
        if isinstance(event, model.SessionCreated):
            self._send(self._dialogue.connected(now))
        elif isinstance(event, model.CallerTranscriptDone):
            self._publish_words(event)
        elif isinstance(event, model.ResponseDone) and event.response.usage is not None:
            agent = self._call.machine.agent
            self._publish(self._call, events.UsageCounted(agent.model, event.response.usage))
        self._send(self._dialogue.on_event(event, now))
        self._changed.set()

    def on_connection_lost(
        self, connection: ModelConnection, reason: str, refused: bool, now: float
    ) -> None:
        del now
        if connection is not self._connection:
            return
        log.info("result_session_lost", call_sid=self._call.facts.key, reason=reason)
        if refused:
            self._sessions_left = 0
        self._connection = None
        self._dialogue.disconnected()
        self._changed.set()

    def _publish_words(self, event: model.CallerTranscriptDone) -> None:
        """Publish what the caller said last: its words came after the call had ended."""
        machine = self._call.machine
        if event.item_id in self._transcribed:
            return
        self._transcribed.add(event.item_id)
        line = events.TranscriptLine("caller", event.transcript, event.item_id)
        self._publish(self._call, line)
        transcriber = machine.agent.transcription
        if event.usage is not None and transcriber is not None:
            counted = events.TranscriptionCounted(transcriber.model, event.usage)
            self._publish(self._call, counted)


def collects_result(
    call: RunningCall, connection: ModelConnection | None, services: CallServices
) -> bool:
    """Start the collection of an ended call's result; return whether it took the connection.

    Nothing is collected where the agent wants no result, or where the conversation broke off: it
    goes on elsewhere, or was none.
    """
    machine, ending = call.machine, call.machine.ending
    schema = machine.agent.result
    if schema is None or not machine.arrived or ending is None or not ending.well:
        return False
    dialogue = ResultDialogue(schema, machine.history, machine.new_id, monotonic())
    collection = ResultCollection(call, dialogue, services.model, services.publish)
    ours = machine.link is LinkState.READY and not machine.model_link.session_lives_on
    if connection is not None and ours:
        collection.take_over(connection, machine.new_id)
    services.tasks.start(collection.run(), f"result {call.facts.key}", last=True)
    return connection is not None and ours
