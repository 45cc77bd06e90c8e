"""Advice on an agents file that can be used: what is probably not meant, and what it costs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from gateway import limits
from gateway.agents.builtin_tools import definitions
from gateway.agents.config.agent import Agent
from gateway.agents.config.base import suggestion
from gateway.agents.config.hours import Hours
from gateway.agents.config.tool_names import BUILT_IN_TOOLS
from gateway.agents.routing import AgentBook
from gateway.ops.billing.prices import MILLION, Prices
from gateway.ops.startup_checks import unpriced
from gateway.yaml_source import Path as Key
from gateway.yaml_source import YamlSource, dotted

ANSWERS_PER_MINUTE: Final = 4
"""Of an agent in a lively call: each bills the instructions and tools once more."""
_BYTES_PER_TOKEN: Final = 4
"""Of English; other scripts have more bytes for a letter, and more tokens."""
_TOKENS_NOTED: Final = 0.75
"""Share of what a session allows from which there is advice."""
_NUMBER_MIN_DIGITS: Final = 7


@dataclass(frozen=True, slots=True)
class Advice:
    """Remark on one place of the file: probably not meant."""

    line: int
    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class PromptSize:
    """Size and cost of an agent's instructions and tools, estimated."""

    agent: str
    model: str
    tokens: int
    usd_per_minute: Decimal | None
    """While they are cached, as they are from the second answer on; None without a price."""
    usd_per_minute_uncached: Decimal | None


def advice_on(book: AgentBook, source: YamlSource, text: str, prices: Prices) -> list[Advice]:
    """Return what is probably not meant, in the order of the file; `text` is the file's."""
    found = list(_on_routes(book, source))
    for agent in book.agents.values():
        mine: Key = ("agents", agent.name)
        for key, problem in chain(
            _on_hours(agent, book),
            _on_fallback(agent, book),
            _on_prices(agent, prices),
            _on_size(agent, prices),
            _on_language(agent),
        ):
            path = (*mine, *key)
            found.append(Advice(source.line(path), dotted(path), problem))
        path = (*mine, "instructions")
        for words, problem in _on_tools(agent, book):
            line = _line_of(words, source.line(path), text)
            found.append(Advice(line, dotted(path), problem))
    return sorted(found, key=lambda one: one.line)


def prompt_size(agent: Agent, prices: Prices) -> PromptSize:
    """Return the size of what every answer of an agent is billed for once more."""
    tools: list[Any] = list(definitions(agent))
    tools += [
        {"name": name, "description": one.description, "parameters": one.parameters}
        for name, one in agent.functions.items()
    ]
    written = agent.instructions + (json.dumps(tools, ensure_ascii=False) if tools else "")
    tokens = len(written.encode()) // _BYTES_PER_TOKEN + 1
    price = prices.models.get(agent.model)
    cached, fresh = (price.text.cached, price.text.in_) if price else (None, None)
    return PromptSize(
        agent.name, agent.model, tokens, _per_minute(tokens, cached), _per_minute(tokens, fresh)
    )


def _per_minute(tokens: int, price: Decimal | None) -> Decimal | None:
    return None if price is None else tokens * ANSWERS_PER_MINUTE * price / MILLION


# --- Routes ---


def _on_routes(book: AgentBook, source: YamlSource) -> Iterator[Advice]:
    for index, route in enumerate(book.routes):
        digits = route.to.removeprefix("+")
        problem = ""
        if route.to.startswith("+0"):
            problem = "reaches nobody: no country's numbers begin with 0"
        elif digits.isdigit() and len(digits) < _NUMBER_MIN_DIGITS:
            problem = f'is no whole number: for all that begin with it write "{route.to}*"'
        if problem:
            key: Key = ("routes", index, "to")
            yield Advice(source.line(key), dotted(key), f"{route.to} {problem}")


def _on_hours(agent: Agent, book: AgentBook) -> Iterator[tuple[Key, str]]:
    hours = agent.hours
    if hours is None:
        return
    if not hours.week and not any(hours.dates.values()):
        yield ("hours",), f"is never open: {agent.out_of_hours} always answers"
    elif _always_open(hours) and not _otherwise_reached(agent.out_of_hours or "", agent, book):
        yield (
            ("out_of_hours",),
            f"{agent.out_of_hours} never answers: {agent.name} is open at all times",
        )


def _always_open(hours: Hours) -> bool:
    whole = ((0, limits.agents.DAY_MIN),)
    days = [hours.week.get(day, ()) for day in range(7)]
    return all(spans == whole for spans in (*days, *hours.dates.values()))


def _otherwise_reached(name: str, by: Agent, book: AgentBook) -> bool:
    others = (one for one in book.agents.values() if one is not by)
    return any(route.agent == name for route in book.routes) or any(
        one.out_of_hours == name or name in one.hand_over for one in others
    )


# --- What a caller gets, and what it costs ---


def _on_fallback(agent: Agent, book: AgentBook) -> Iterator[tuple[Key, str]]:
    if agent.fallback is None and _otherwise_reached(agent.name, agent, book):
        yield (
            (),
            "has no `fallback`: when the model fails, its callers hear an apology and the call "
            "ends. Name a person, a queue or `voicemail: true`",
        )


def _on_prices(agent: Agent, prices: Prices) -> Iterator[tuple[Key, str]]:
    if missing := unpriced(prices, agent.model):
        yield ("model",), f"the price list has no {missing}: what its calls cost is not counted"
    heard = agent.transcription
    if heard is not None and heard.model not in prices.transcription:
        yield (
            ("transcription",),
            f"the price list has no transcription.{heard.model}: what it costs is not counted",
        )


def _on_size(agent: Agent, prices: Prices) -> Iterator[tuple[Key, str]]:
    size, most = prompt_size(agent, prices), limits.agents.PROMPT_TOKENS_MAX
    if size.tokens > most * _TOKENS_NOTED:
        yield (
            ("instructions",),
            f"with the tools these are about {size.tokens:,} tokens, and a session takes "
            f"{most:,}: shorten them, or move knowledge into a function that looks it up",
        )


# --- Instructions ---

_VOICE_NOTES: Final = re.compile(
    r"accent|dialect|pronounc|pronunciat|intonation|prononc|articul|لهج[ةت]|نطق|فصحى|فصيح"
    r"|speak (clear|slow|in |the )|in (clear|plain|standard|formal|informal)",
    re.IGNORECASE,
)


def _on_language(agent: Agent) -> Iterator[tuple[Key, str]]:
    """Look for a word on how a language is to sound: the vendor's voices are English by nature."""
    language = agent.language.split("-")[0].lower()
    if language != "en" and not _VOICE_NOTES.search(agent.instructions):
        yield (
            ("language",),
            f"is {agent.language}, and the instructions do not say how it is to sound: name the "
            "accent or dialect, and how numbers and foreign names are pronounced",
        )


_SNAKE: Final = re.compile(r"(?<![\w./:@-])[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+(?![\w@])")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?؟])\s+|\n\s*\n")
_FORBIDDEN: Final = re.compile(
    r"\b(not|never|cannot|without|no)\b|n't\b|\b(ne|pas|jamais|sans)\b|\bn'"
    r"|(?:^|\s)[وف]?(لا|لن|لم|بدون|دون)\s",
    re.IGNORECASE,
)
_PHRASES: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "end_call": r"\b(end|finish) the call\b|\bhang(s|ing)? up\b|\braccroch\w+"
        r"|\b(terminer|terminez|mettre fin à|mettez fin à) l'appel\b"
        r"|([أا]نهِ?|[إا]نهاء|تنهي|اقطع) (المكالمة|الخط)",
        "transfer": r"\b(transfer|connect|put) (the (caller|call)|them) (to|with|through)\b"
        r"|\b(transf[eéè]re[rz]?|pass(er|ez)) (l'appel|l'appelant|le client|la personne)\b"
        r"|\bmett(re|ez) (l'appelant|le client|la personne) en relation\b"
        r"|(حوّل|حول|تحويل) (المكالمة|المتصل)",
        "take_message": r"\b(take|note) (a|the|their) message\b"
        r"|\b(prendre|prenez|noter|notez) un message\b"
        r"|(تدوين|دوّن|تسجيل|سجّل) رسالة",
        "send_text": r"\bsend (them |the caller )?(a |an )(text|sms)\b|\benvoye[rz] un sms\b",
        "request_photo": r"\bask (them |the caller )?for a (photo|picture)\b"
        r"|\bdemande[rz] une photo\b",
    }.items()
}
"""Words by which instructions ask for a built-in tool."""


def _on_tools(agent: Agent, book: AgentBook) -> Iterator[tuple[str, str]]:
    """Yield words of the instructions that need a tool the agent does not have."""
    known = BUILT_IN_TOOLS.union(*(one.functions for one in book.agents.values()))
    allowed = {*agent.tools, *_other_names(agent)}
    named = dict.fromkeys(_SNAKE.findall(agent.instructions))
    for word in (one[0] for one in _SNAKE.finditer(agent.instructions)):
        if word not in named or word in allowed or word.startswith(_prefixes(agent)):
            continue
        del named[word]
        if word in known:
            yield word, f"{word} is a tool that this agent does not have: add it to `tools`"
        else:
            near = suggestion(word, allowed | known)
            yield word, f"{word} looks like the name of a tool, and there is none{near}"
    sentences = _SENTENCE_END.split(agent.instructions)
    for tool, phrase in _PHRASES.items():
        if tool in agent.tools or tool in agent.instructions:
            continue
        for sentence in sentences:
            found = phrase.search(" ".join(sentence.split()))
            if found and not _FORBIDDEN.search(sentence):
                yield (
                    found[0],
                    f'"{found[0]}" needs {tool}, which this agent does not have: add it to '
                    "`tools`, or say otherwise",
                )
                break


def _prefixes(agent: Agent) -> tuple[str, ...]:
    """Return how names of tools of MCP servers begin, which are known when they are connected."""
    return tuple(f"{label}_" for label in agent.mcp)


def _other_names(agent: Agent) -> Iterator[str]:
    """Yield names with underscores that may well stand in instructions and are no tools."""
    yield from agent.transfers
    for function in agent.functions.values():
        yield from (function.parameters or {}).get("properties", ())
    for server in agent.mcp.values():
        yield from server.allowed_tools or ()


def _line_of(words: str, key_line: int, text: str) -> int:
    """Return the line on which words of a value begin; those that are not found, its key's."""
    first = words.split(maxsplit=1)[0]
    lines = text.splitlines()
    whole = (n for n in range(key_line, len(lines) + 1) if words in lines[n - 1])
    begun = (n for n in range(key_line, len(lines) + 1) if first in lines[n - 1])
    return next(whole, None) or next(begun, key_line)
