"""Dialogue of the simulated model: the script first, then the demo."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Template
from typing import Final

from gateway.simulator.audio.tts import language_of
from gateway.simulator.openai.realtime.phrases import phrases_for
from gateway.simulator.openai.realtime.script import CallSpec, Plan, Script, ScriptStep

OUTPUT_SPOKEN_CHARS: Final = 200

_EXACTLY: Final = re.compile(r"\bsay exactly\b[^:]*:\s*(?P<line>.+)", re.IGNORECASE | re.DOTALL)
_QUOTED: Final = re.compile(r'["“«](?P<line>.+)["”»]', re.DOTALL)
_CUT_OFF: Final = re.compile(r"\bcut off by a fault\b", re.IGNORECASE)
_TYPED: Final = re.compile(r"\btyped on the telephone keypad\b")
"""Counts as a turn of the caller although nothing was spoken."""
_TOPICS: Final = (
    ("denied", re.compile(r"\bnot allowed\b", re.IGNORECASE)),
    ("not_taken", re.compile(r"\bnobody took the call\b", re.IGNORECASE)),
    ("goodbye", re.compile(r"\b(goodbye|farewell|end the call|hang up)", re.IGNORECASE)),
    ("minute", re.compile(r"\bminutes?\b", re.IGNORECASE)),
    ("still_there", re.compile(r"\b(nudge|silent|quiet|still|anything|idle)\b", re.IGNORECASE)),
    ("wait", re.compile(r"\b(wait|moment|filler|hold|look)", re.IGNORECASE)),
)


@dataclass(frozen=True)
class Ask:
    """Reason for a response, and the new content of the conversation."""

    instructions: str | None = None
    """Instructions of this response, not of the session."""
    spoken_ms: int | None = None
    """Duration of the caller's new speech; None without any."""
    idle: bool = False
    texts: tuple[str, ...] = ()
    images: int = 0
    outputs: tuple[str, ...] = ()
    tools: frozenset[str] = frozenset()
    language: str = "en"


def quoted_line(instructions: str) -> str | None:
    """Return the words that instructions demand literally."""
    exactly = _EXACTLY.search(instructions)
    quoted = _QUOTED.search(exactly["line"] if exactly else instructions)
    if quoted:
        return quoted["line"].replace('\\"', '"').strip()
    return exactly["line"].strip() if exactly else None


class SimDialogue:
    """Dialogue of one session, with the number of its turn."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._turn = 0
        self._greeted = False
        self._recalled = False

    def remember(self, turns: int) -> None:
        """Continue after the turns of an earlier session that a client has replayed."""
        self._turn, self._greeted, self._recalled = turns, True, True

    @property
    def turn(self) -> int:
        """Number of the caller's turns that were answered."""
        return self._turn

    def answer(self, ask: Ask) -> list[ScriptStep]:
        """Return the steps of one response, with placeholders filled."""
        language = self._script.language or ask.language
        plan = self._plan(ask, phrases_for(language))
        self._greeted = True
        return [self._filled(step, ask, language) for step in plan]

    def _plan(self, ask: Ask, words: dict[str, str]) -> Plan:
        if ask.instructions:
            return self._instructed(ask.instructions, words)
        typed = any(_TYPED.search(text) for text in ask.texts)
        if (ask.spoken_ms is not None or typed or (ask.texts and self._recalled)) and not ask.idle:
            self._recalled = False
            return self._turn_plan(ask, words)
        if ask.outputs:
            return self._script.after_tool or _says(words["tool"])
        if ask.images:
            return self._script.after_image or _says(words["image"])
        if ask.texts:
            return _says(words["text"])
        if ask.idle or self._greeted:
            return _says(words["still_there"])
        return self._script.greeting or _says(words["greeting"])

    def _instructed(self, instructions: str, words: dict[str, str]) -> Plan:
        if self._script.greeting and not self._greeted:
            return self._script.greeting
        if _CUT_OFF.search(instructions):
            return self._script.goes_on
        if line := quoted_line(instructions):
            return _says(line.replace("$", "$$"))
        if not self._greeted:
            return _says(words["greeting"])
        topic = next((name for name, asks in _TOPICS if asks.search(instructions)), "other")
        return _says(words[topic])

    def _turn_plan(self, ask: Ask, words: dict[str, str]) -> Plan:
        self._turn += 1
        if self._turn <= len(self._script.turns):
            return self._script.turns[self._turn - 1]
        if self._turn >= self._script.demo_turns:
            return self._farewell(ask, words)
        if self._turn == 2:
            return (ScriptStep(say=words["echo"]), ScriptStep(echo=True))
        return _says(words["spoke"])

    def _farewell(self, ask: Ask, words: dict[str, str]) -> Plan:
        goodbye = _says(f"{words['spoke']} {words['goodbye']}")
        if "end_call" not in ask.tools:
            return goodbye
        return (*goodbye, ScriptStep(call=CallSpec(name="end_call", arguments={})))

    def _filled(self, step: ScriptStep, ask: Ask, language: str) -> ScriptStep:
        said = step.say if step.say is not None else step.preamble
        if said is None:
            return step
        facts = {
            "seconds": f"{(ask.spoken_ms or 0) / 1000:.1f}",
            "turn": str(self._turn),
            "language": phrases_for(language)["name"],
            "images": str(ask.images),
            "output": "; ".join(ask.outputs)[:OUTPUT_SPOKEN_CHARS],
            "text": "; ".join(ask.texts)[:OUTPUT_SPOKEN_CHARS],
        }
        key = "say" if step.say is not None else "preamble"
        return step.model_copy(update={key: Template(said).safe_substitute(facts)})


def language_for(instructions: str, hint: str | None) -> str:
    """Return the language of the instructions' script, else the hint, else English."""
    return language_of(instructions, (hint or "en").split("-")[0].lower())


def _says(text: str) -> Plan:
    return (ScriptStep(say=text),)
