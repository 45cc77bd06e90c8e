"""`gateway agents check`: all that is wrong in an agents file, and what is probably not meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from gateway.agents.file.document import agents_text
from gateway.agents.file.loader import load_agents
from gateway.cli.agents.advice import (
    ANSWERS_PER_MINUTE,
    Advice,
    PromptSize,
    advice_on,
    prompt_size,
)
from gateway.errors import AgentFileError
from gateway.ops.billing.prices import Prices
from gateway.yaml_source import parse

_WARNING: Final = re.compile(r":(\d+): ([^:]+): (.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Findings in one file."""

    file: Path
    errors: list[Advice] = field(default_factory=list)
    warnings: list[Advice] = field(default_factory=list)
    sizes: list[PromptSize] = field(default_factory=list)
    routes: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "file": str(self.file),
            "errors": [asdict(one) for one in self.errors],
            "warnings": [asdict(one) for one in self.warnings],
            "agents": [
                asdict(size)
                | {
                    "usd_per_minute": _number(size.usd_per_minute),
                    "usd_per_minute_uncached": _number(size.usd_per_minute_uncached),
                }
                for size in self.sizes
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield it as text: a line for each finding, then one for each agent."""
        for level, found in (("error", self.errors), ("warning", self.warnings)):
            for one in found:
                key = f"{one.key}: " if one.key else ""
                yield f"{self.file}:{one.line}: {level}: {key}{one.problem}"
        for size in self.sizes:
            yield _described(size)
        counts = f"{_count(len(self.errors), 'error')}, {_count(len(self.warnings), 'warning')}"
        found_in = f"{_count(len(self.sizes), 'agent')}, {_count(self.routes, 'route')}: "
        yield (found_in if self.sizes else "") + counts


def checked(file: Path, prices: Prices) -> CheckReport:
    """Return what is wrong in a file, or else what is probably not meant and what it costs."""
    try:
        book = load_agents(file)
    except AgentFileError as error:
        found = (error, *error.others)
        return CheckReport(
            file, errors=[Advice(one.line or 1, one.key or "", one.problem) for one in found]
        )
    text = agents_text(file)
    advice = advice_on(book, parse(text, str(file), AgentFileError), text, prices)
    warnings = [*map(_parsed, book.warnings), *advice]
    return CheckReport(
        file,
        warnings=sorted(warnings, key=lambda one: one.line),
        sizes=[prompt_size(agent, prices) for agent in book.agents.values()],
        routes=len(book.routes),
    )


def _parsed(warning: str) -> Advice:
    found = _WARNING.search(warning)
    return Advice(int(found[1]), found[2], found[3]) if found else Advice(1, "", warning)


def _described(size: PromptSize) -> str:
    about = f"{size.agent}: about {size.tokens:,} tokens of instructions and tools"
    if size.usd_per_minute is None or size.usd_per_minute_uncached is None:
        return f"{about} ({size.model})"
    return (
        f"{about}, ${size.usd_per_minute:.4f} a minute cached, "
        f"${size.usd_per_minute_uncached:.4f} uncached "
        f"({size.model}, {ANSWERS_PER_MINUTE} answers a minute)"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _number(usd: Decimal | None) -> float | None:
    return None if usd is None else float(usd)
