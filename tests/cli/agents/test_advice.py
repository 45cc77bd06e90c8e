"""What is probably not meant in an agents file that can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.agents.file.loader import load_agents
from gateway.cli.agents.advice import Advice, advice_on, prompt_size
from gateway.errors import AgentFileError
from gateway.ops.billing.price_file import shipped_prices
from gateway.yaml_source import parse

PRICES = shipped_prices()
WELL: dict[str, Any] = {"fallback": "+15550199", "instructions": "Answer."}


def advice(tmp_path: Path, text: str) -> list[Advice]:
    file = tmp_path / "agents.yaml"
    file.write_text(text, "utf-8")
    return advice_on(load_agents(file), parse(text, str(file), AgentFileError), text, PRICES)


def on(tmp_path: Path, *, route: str = "*", **desk: Any) -> list[str]:
    """The problems of an agent that is otherwise well."""
    document = {"agents": {"desk": WELL | desk}, "routes": [{"to": route, "agent": "desk"}]}
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    return [f"{one.key}: {one.problem}" for one in advice(tmp_path, text)]


def test_there_is_nothing_to_say_about_a_good_agent(tmp_path: Path) -> None:
    assert on(tmp_path) == []


@pytest.mark.parametrize(
    ("desk", "words"),
    [
        ({"fallback": None}, "agents.desk: has no `fallback`"),
        ({"model": "gpt-realtime-9"}, "has no models.gpt-realtime-9"),
        ({"transcription": {"model": "gpt-9"}}, "has no transcription.gpt-9"),
        ({"language": "ar"}, "agents.desk.language: is ar"),
        ({"instructions": "x " * 28_000}, "a session takes 16,384"),
        (
            {"route": "+1555"},
            'routes.1.to: +1555 is no whole number: for all that begin with it write "+1555*"',
        ),
        ({"route": "+0123456789"}, "reaches nobody"),
        ({"instructions": "Then call send_text."}, "send_text is a tool that this agent does not"),
        ({"instructions": "Use look_up_order."}, "look_up_order looks like the name of a tool"),
        ({"instructions": "Use end_cal.", "tools": ["end_call"]}, "(did you mean end_call?)"),
        ({"instructions": "When they are\ndone, hang up."}, '"hang up" needs end_call'),
        ({"instructions": "Offer to take a message."}, '"take a message" needs take_message'),
        ({"instructions": "Connect them with the desk."}, "needs transfer"),
        (
            {"instructions": "Parlez sans accent. Raccrochez à la fin.", "language": "fr"},
            "needs end_call",
        ),
        (
            {"instructions": "بالعربية الفصحى. إنهاء المكالمة بعد ذلك.", "language": "ar"},
            "needs end_call",
        ),
        (
            {"instructions": "تكلّم بفصحى سهلة. في الختام أنه المكالمة.", "language": "ar"},
            '"أنه المكالمة" needs end_call',
        ),
        ({"instructions": "بلهجة تونس. ثم سجّل رسالة.", "language": "ar-TN"}, "needs take_message"),
        ({"instructions": "Sans accent. Transférez l'appel.", "language": "fr"}, "needs transfer"),
    ],
)
def test_what_is_probably_not_meant(tmp_path: Path, desk: dict[str, Any], words: str) -> None:
    found = on(tmp_path, **desk)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    "desk",
    [
        {"instructions": "Never hang up. Do not take a message."},
        {"instructions": "Hang up at the end.", "tools": ["end_call"]},
        {"instructions": "Write to front_desk@example.com or see /path/some_page."},
        {"instructions": "Speak in the accent of Tunis.", "language": "ar-TN"},
        {
            "instructions": "Use diary_find_day.",
            "mcp": {"diary": {"via": "gateway", "url": "https://diary.example.com/mcp"}},
        },
        {
            "instructions": "Ask for the order_number, then use stock.",
            "tools": ["stock"],
            "functions": {
                "stock": {
                    "description": "What is left.",
                    "http": {"url": "https://shop.example.com/stock"},
                    "parameters": {
                        "type": "object",
                        "properties": {"order_number": {"type": "string"}},
                    },
                }
            },
        },
    ],
)
def test_what_may_stand_there(tmp_path: Path, desk: dict[str, Any]) -> None:
    assert on(tmp_path, **desk) == []


def test_a_tool_that_is_missing_is_shown_on_its_line(tmp_path: Path) -> None:
    text = """\
agents:
  desk:
    fallback: {voicemail: true}
    instructions: |
      You answer the telephone.
      At the end use end_call.
routes: [{to: "*", agent: desk}]
"""
    assert [(one.line, one.key) for one in advice(tmp_path, text)] == [
        (6, "agents.desk.instructions")
    ]


HOURS = """\
agents:
  desk:
    fallback: {{voicemail: true}}
    instructions: Answer.
    hours: {{zone: UTC, {hours}}}
    out_of_hours: night
  night:
    fallback: {{voicemail: true}}
    instructions: Answer.
routes: [{{to: "*", agent: desk}}]
"""


def test_an_agent_that_never_answers(tmp_path: Path) -> None:
    always = HOURS.format(hours='mon-sun: "00:00-24:00"')
    assert [one.problem for one in advice(tmp_path, always)] == [
        "night never answers: desk is open at all times"
    ]
    holiday = HOURS.format(hours='mon-sun: "00:00-24:00", "2026-12-25": closed')
    assert advice(tmp_path, holiday) == []


def test_the_size_of_instructions_and_tools_and_what_they_cost(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    text = {
        "agents": {"desk": WELL | {"instructions": "four" * 999}},
        "routes": [{"to": "*", "agent": "desk"}],
    }
    file.write_text(yaml.safe_dump(text), "utf-8")
    agent = load_agents(file).agents["desk"]
    size = prompt_size(agent, PRICES)
    assert size.tokens == 1000
    price = PRICES.models[agent.model].text
    assert size.usd_per_minute == 4000 * (price.cached or 0) / 1_000_000
    assert size.usd_per_minute_uncached == 4000 * (price.in_ or 0) / 1_000_000
    with_tool = agent.model_copy(update={"tools": ["end_call"]})
    assert prompt_size(with_tool, PRICES).tokens > size.tokens
    unknown = agent.model_copy(update={"model": "gpt-9"})
    assert prompt_size(unknown, PRICES).usd_per_minute is None
