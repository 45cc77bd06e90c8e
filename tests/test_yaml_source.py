"""YAML with lines: what is read, and what is refused at its line."""

from __future__ import annotations

import pytest

from gateway import limits
from gateway.errors import AgentFileError, PriceFileError
from gateway.yaml_source import YamlSource, dotted, parse

TEXT = """\
agents:
  desk:
    tools: [end_call,
            transfer]
    since: 2026-01-20
    count: 3
    share: 0.5
    open: yes
    note:
"""


def read(text: str) -> YamlSource:
    return parse(text, "agents.yaml", AgentFileError)


def problem_of(text: str) -> str:
    with pytest.raises(AgentFileError) as refused:
        read(text)
    return str(refused.value)


def test_values_are_plain() -> None:
    desk = {
        "tools": ["end_call", "transfer"],
        "since": "2026-01-20",
        "count": 3,
        "share": 0.5,
        "open": True,
        "note": None,
    }
    assert read(TEXT).values == {"agents": {"desk": desk}}
    assert read("").values is None


def test_every_key_and_entry_has_its_line() -> None:
    document = read(TEXT)
    assert document.line(("agents",)) == 1
    assert document.line(("agents", "desk", "tools")) == 3
    assert document.line(("agents", "desk", "tools", 1)) == 4
    assert document.line(("agents", "desk", "count")) == 6


def test_of_a_key_that_is_missing_the_nearest_above_is_shown() -> None:
    document = read(TEXT)
    assert document.line(("agents", "desk", "voice", "id")) == 2
    assert document.line(("routes",)) == 1
    assert YamlSource("agents.yaml", AgentFileError).line(("agents",)) == 1


def test_errors_and_warnings_name_file_line_and_key() -> None:
    document = read(TEXT)
    place = ("agents", "desk", "tools", 1)
    error = document.error(place, "is\nno tool")
    assert type(error) is AgentFileError
    assert str(error) == "agents.yaml:4: agents.desk.tools.2: is no tool"
    assert document.warning(place, "is odd") == "agents.yaml:4: agents.desk.tools.2: is odd"


def test_the_error_is_of_the_kind_of_the_file() -> None:
    with pytest.raises(PriceFileError):
        parse("a: *b", "prices.yaml", PriceFileError)


def test_entries_are_counted_from_one() -> None:
    assert dotted(("routes", 0, "to")) == "routes.1.to"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: [1", "agents.yaml:2: is not YAML that can be read"),
        ("a: 1\nb: \x00", "agents.yaml:2: is not YAML that can be read"),
        ('a: "\\UFFFFFFFF"', "no such character"),
        ("a: 1\n\nb: 2\na: 3", "agents.yaml:4: a: stands here twice, first on line 1"),
        ("a: &x 1\nb: *x", "agents.yaml:2: aliases are not allowed"),
        ("a: 1\nb: !!python/tuple [1]", "agents.yaml:2: b: the tag"),
        ("a: !!binary aGk=", "agents.yaml:1: a: the tag"),
        ("a: !!int x", "agents.yaml:1: a: does not fit its tag"),
        ("? [1, 2]\n: 3", "agents.yaml:1: a key must be plain text"),
        ('a: "\\uD800"', "agents.yaml:1: a: has half a character"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    assert problem in problem_of(text)


def test_nesting_has_an_end() -> None:
    most = limits.agents.AGENTS_FILE_MAX_DEPTH
    assert read("[" * most + "]" * most).values
    assert "is nested too deeply" in problem_of("[" * (most + 1) + "]" * (most + 1))
