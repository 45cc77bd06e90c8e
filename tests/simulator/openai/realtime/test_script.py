"""What a script may say, and what the brain makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ScenarioError
from gateway.simulator.openai.realtime.dialogue import Ask, SimDialogue, language_for, quoted_line
from gateway.simulator.openai.realtime.script import (
    FaultBudget,
    Script,
    ScriptStep,
    load_script,
    parse_script,
)


def said(steps: list[ScriptStep]) -> list[str]:
    return [step.say for step in steps if step.say]


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("turns:\n  - - say: 3", 2, "turns.1.1.say"),
        ("think_ms: 5\nspeed: 0", 2, "speed"),
        ("speeed: 1", 1, "speeed"),
        ("turns:\n  - - say: a\n      echo: true", 2, "turns.1.1"),
        ("greeting:\n  - say: hi\n  - close: 10", 3, "greeting.2.close"),
        ("a: [", 1, None),
    ],
)
def test_a_wrong_script_is_refused_with_its_place(text: str, line: int, key: str | None) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse_script(text, "call.yaml")
    assert (refused.value.file, refused.value.line, refused.value.key) == ("call.yaml", line, key)


def test_a_script_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text("greeting: [{say: Bonjour}]\nlanguage: fr\n", "utf-8")
    assert load_script(file).greeting == (ScriptStep(say="Bonjour"),)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_script(tmp_path / "none.yaml")


def test_an_empty_file_is_the_demo() -> None:
    assert parse_script("") == Script()


@pytest.mark.parametrize(
    ("instructions", "line"),
    [
        (
            'Say exactly this, word for word: "Hello, this is \\"the\\" rig."',
            'Hello, this is "the" rig.',
        ),
        ("Say exactly: Good day.", "Good day."),
        ("Greet the caller with “Bonjour à tous”.", "Bonjour à tous"),
        ("Say goodbye.", None),
    ],
)
def test_demanded_words(instructions: str, line: str | None) -> None:
    assert quoted_line(instructions) == line


def test_the_demo_from_hello_to_goodbye() -> None:
    brain = SimDialogue(Script())
    tools = frozenset({"end_call"})
    assert "practice line" in said(brain.answer(Ask()))[0]
    assert said(brain.answer(Ask(spoken_ms=2300))) == ["You spoke for 2.3 seconds."]
    second = brain.answer(Ask(spoken_ms=900))
    assert said(second) == ["Here is how you sound on this line:"]
    assert second[1].echo
    third = brain.answer(Ask(spoken_ms=1000, tools=tools))
    assert "Goodbye" in said(third)[0]
    assert third[1].call
    assert third[1].call.name == "end_call"
    assert brain.turn == 3


def test_without_the_tool_the_goodbye_is_only_said() -> None:
    assert [s.call for s in SimDialogue(Script(demo_turns=1)).answer(Ask(spoken_ms=1))] == [None]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (
            Ask(instructions="The caller is silent: ask whether they are still there."),
            "still there",
        ),
        (Ask(instructions="Tell the caller that one minute is left."), "one minute"),
        (Ask(instructions="Say a short filler while the tool works."), "moment"),
        (Ask(instructions="Bid the caller goodbye."), "Goodbye"),
        (Ask(instructions='Say exactly: "It costs $5 and ${name}"'), "It costs $5 and ${name}"),
        (Ask(outputs=("sunny", "22 degrees")), "sunny; 22 degrees"),
        (Ask(texts=("my name is Ada",)), "my name is Ada"),
        (Ask(images=1), "picture"),
        (Ask(idle=True, spoken_ms=0), "still there"),
    ],
)
def test_it_says_something_sensible(ask: Ask, words: str) -> None:
    brain = SimDialogue(Script())
    brain.answer(Ask())
    assert words in said(brain.answer(ask))[0]


def test_a_script_goes_before_the_demo() -> None:
    brain = SimDialogue(
        parse_script(
            "greeting: [{say: Hi}]\n"
            "turns: [[{say: 'turn ${turn}, ${seconds} s, ${language}, $5'}]]\n"
            "after_tool: [{say: 'Found ${output}.'}]"
        )
    )
    assert said(brain.answer(Ask(instructions='Say exactly: "Hello"'))) == ["Hi"]
    assert said(brain.answer(Ask(spoken_ms=1500))) == ["turn 1, 1.5 s, English, $5"]
    assert said(brain.answer(Ask(outputs=("x",)))) == ["Found x."]
    assert brain.answer(Ask(spoken_ms=1500))[1].echo


@pytest.mark.parametrize(
    ("instructions", "hint", "language", "word"),
    [
        ("أنت مساعد لطيف", None, "ar", "ثانية"),
        ("Vous êtes aimable.", "fr-FR", "fr", "secondes"),
        ("Be kind.", None, "en", "seconds"),
    ],
)
def test_it_answers_in_the_language_of_the_session(
    instructions: str, hint: str | None, language: str, word: str
) -> None:
    found = language_for(instructions, hint)
    assert found == language
    assert word in said(SimDialogue(Script()).answer(Ask(spoken_ms=1000, language=found)))[0]


def test_a_limited_fault_is_limited_over_all_sessions() -> None:
    script = parse_script("turns: [[{close: 1011, times: 2}]]")
    faults, step = FaultBudget(), script.turns[0][0]
    assert [faults.consume(step) for _ in range(3)] == [True, True, False]
