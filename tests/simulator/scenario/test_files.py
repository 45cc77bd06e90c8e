"""Files of scenarios, and what their authors learn when they err."""

from __future__ import annotations

import pytest

from gateway.errors import ScenarioError
from gateway.simulator.scenario.files import find, load, shipped


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_can_be_used(name):
    assert load(find(name)).name == name


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("steps:\n  - say: hi\n", 1, "name"),
        ("name: x\nsteps: []\n", 2, "steps"),
        ("name: x\nsteps:\n  - say: hi\n  - shout: hi\n", 4, "steps.2.shout"),
        ("name: x\nsteps:\n  - say: hi\n    press: 1\n", 3, "steps.1"),
        ("name: x\nsteps:\n  - hear:\n      timeout_s: soon\n", 4, "steps.1.hear.timeout_s"),
        ("name: x\nsteps:\n  - press: hello\n", 3, "steps.1.press"),
        ("name: x\nsteps:\n  - malformed: nicely\n", 3, "steps.1.malformed"),
        ("name: x\nsteps: [{say: a}]\nexpect:\n  endng: caller\n", 4, "expect.endng"),
        ("name: x\nsteps: [hear]\nexpect:\n  echo: {of_step: 1}\n", 1, None),
        ("name: x\nsteps: [{play: none.wav}]\n", None, "steps.1.play"),
        ("name: [x\n", 2, None),
        ("", None, None),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path, text, line, key):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(file)
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(file), line, key)
    assert caught.value.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x\n", "steps: is missing"),
        ("[]", "must be keys and values"),
        ("name: x\nsteps: 3\n", "steps: must be a list"),
        ("name: x\nsteps: [{hear: 3}]\n", "steps.1.hear: must be keys and values"),
        ("name: x\nsteps: [hear]\npeople: {me: busy}\n", "people.me: must fit ^"),
        ("name: x\nsteps: [hear]\nexpect: {ending: well}\n", "must be 'gateway' or 'caller'"),
    ],
)
def test_an_error_is_in_plain_words(tmp_path, text, problem):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load(file)
    assert problem in str(caught.value)
    assert not {"Input", "Field", "Value", "valid"} & set(str(caught.value).split())


def test_a_name_that_is_nowhere():
    with pytest.raises(ScenarioError, match="demo"):
        find("nowhere")
