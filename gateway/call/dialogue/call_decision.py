"""Decision on a call before its first word: another agent, a sentence in its place, a transfer."""

from __future__ import annotations

from gateway.call import inputs
from gateway.call.commands import TransferCaller
from gateway.call.context import CallContext
from gateway.call.dialogue.caller_language import CallerLanguage
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.dialogue.greeting import Greeting
from gateway.call.dialogue.recording import CallRecording
from gateway.call.endings import Ending
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.call.session import session_audio
from gateway.call.session.model_link import ModelLink
from gateway.call.session.opening_items import OpeningItems
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.tools.open_work import OpenWork


class CallDecision(CallPart):
    """Carries out what somebody decided while the call was on its way."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        line: CallerLine,
        link: ModelLink,
        opening: OpeningItems,
        greeting: Greeting,
        goodbye: Goodbye,
        language: CallerLanguage,
        recording: CallRecording,
    ) -> None:
        self._ctx, self._work, self._line, self._link = ctx, work, line, link
        self._opening, self._greeting, self._goodbye = opening, greeting, goodbye
        self._language, self._recording = language, recording
        self._plan: EndPlan | None = None
        self.handlers = {inputs.CallDecided: self._on_call_decided}

    def refuse(self, sentence: str) -> None:
        """Have a sentence said word for word in place of the greeting, and the call ended."""
        self._plan = EndPlan(Ending.AGENT_HUNG_UP, firm=True, message=sentence)

    def transfer(self, to: TransferCaller) -> None:
        """Have the caller connected with somebody in place of the greeting."""
        self._plan = EndPlan(Ending.TRANSFERRED, to=to, firm=True)

    def _on_call_decided(self, event: inputs.CallDecided) -> None:
        """Take another agent, or the same one who knows more; too late once somebody is there."""
        ctx, session = self._ctx, event.session
        if ctx.phase is not CallPhase.EXPECTED:
            return
        answers = session_audio.server_answers(session)
        # Nobody has spoken: the agent before had no part in this call.
        ctx.apply_privacy(CallPrivacy.of(event.agent))
        if event.agent.name != ctx.agent.name:
            ctx.change_agent(event.agent, server_answers=answers)
        else:
            ctx.agent, ctx.server_answers = event.agent, answers
        self._recording.agent_decided()
        self._opening.brief(event.briefing)
        if event.briefing.language:
            self._language.set(event.briefing.language)
        self._link.configure_anew(session)
        self._work.equip(str(tool.get("name", "")) for tool in session.get("tools", ()))

    def settle(self) -> None:
        ctx, plan = self._ctx, self._plan
        if plan is None or ctx.link is not LinkState.READY or not self._line.can_be_heard():
            return
        if ctx.phase is CallPhase.TALKING:
            self._plan = None
            self._greeting.skip()
            self._goodbye.start(plan)
