"""The agents file: what is wrong in it is refused with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.agents.builtin_tools import definitions
from gateway.agents.file.loader import DEFAULT_AGENTS, load_agents
from gateway.agents.file.session_schema import SessionSchema
from gateway.agents.session import session_of
from gateway.errors import AgentFileError

GOOD = """\
agents:
  desk:
    instructions: Be kind.
  night:
    model: gpt-realtime-2.1-mini
    path: sip
    instructions: Be brief.
routes:
  - to: "+15550100"
    agent: desk
  - to: "*"
    agent: night
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agents.yaml"


def refusal(file: Path, text: str | bytes) -> AgentFileError:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AgentFileError) as refused:
        load_agents(file)
    return refused.value


def desk(*lines: str) -> str:
    """A file whose only agent has these lines, from line 4 on."""
    inner = "\n".join(f"    {line}" for line in lines)
    return (
        f"agents:\n  desk:\n    instructions: Be kind.\n{inner}\n"
        'routes:\n  - to: "*"\n    agent: desk\n'
    )


def test_agents_and_routes(file: Path) -> None:
    file.write_text(GOOD)
    book = load_agents(file)
    assert {name: agent.path for name, agent in book.agents.items()} == {
        "desk": "media-streams",
        "night": "sip",
    }
    assert book.pick("+15550100") is book.agents["desk"]
    assert book.pick("+442079460000") is book.agents["night"]
    assert book.warnings == ()


@pytest.mark.parametrize(
    "example", sorted(DEFAULT_AGENTS.parent.glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_examples_are_good(example: Path) -> None:
    book = load_agents(example)
    agent = book.pick("+15550100")
    assert agent is not None
    assert agent.greeting
    for each in book.agents.values():
        assert {"end_call", "take_message"} & set(each.tools), "which its instructions offer"
    assert not list(SessionSchema().problems(session_of(agent, definitions(agent))))
    assert book.warnings == ()


ASKS = "agents.desk.functions.stock"


def asking(http: str, schema: str = "properties: {}") -> str:
    parameters = f"{{type: object, {schema}}}"
    function = f"{{description: x, parameters: {parameters}, http: {{{http}}}}}"
    return desk(f"functions: {{stock: {function}}}", "tools: [stock]")


def test_the_default_is_the_reception() -> None:
    assert list(load_agents(DEFAULT_AGENTS).agents) == ["reception"]


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ("", 1, None, "must have `agents:` and `routes:`"),
        ("- a\n", 1, None, "must have `agents:` and `routes:`"),
        ("agents: {}\nroutes: []\n", 1, "agents", "must not be empty"),
        (GOOD.replace("routes:", "paths:"), 8, "paths", "is unknown here"),
        ("agents:\n  desk:\n    instructions: x\n", 1, "routes", "is missing"),
        (GOOD + "agents: {}\n", 13, "agents", "stands here twice, first on line 1"),
        (
            desk("voice: marin", "voice: cedar"),
            5,
            "agents.desk.voice",
            "stands here twice, first on line 4",
        ),
        (desk("voise: marin"), 4, "agents.desk.voise", "is unknown here (did you mean voice?)"),
        (
            desk("turn_detection: {type: server_vad, treshold: 0.5}"),
            4,
            "agents.desk.turn_detection.treshold",
            "is unknown here (did you mean threshold?)",
        ),
        (
            desk("transfers: {a: {too: '+15550199'}}", "tools: [transfer]"),
            4,
            "agents.desk.transfers.a.too",
            "is unknown here (did you mean to?)",
        ),
        (
            desk("audio: pcm24"),
            4,
            "agents.desk.audio",
            "must be 'pcm24k' or 'pcmu', not pcm24 (did",
        ),
        (
            desk("tools: [end_cal]"),
            4,
            "agents.desk.tools.1",
            "end_cal is no tool (did you mean end_",
        ),
        (desk("voice: 5"), 4, "agents.desk.voice", "must be text"),
        (desk("voice: {id: ''}"), 4, "agents.desk.voice.id", "must not be empty"),
        (desk("language: no"), 4, "agents.desk.language", "must be text (in quotes"),
        (desk("greeting: 12"), 4, "agents.desk.greeting", "must be text (in quotes"),
        (desk("name: desk"), 4, "agents.desk.name", "is the key above: remove it"),
        (desk("path: fax"), 4, "agents.desk.path", "must be 'media-streams' or 'sip'"),
        (desk("path: sip", "audio: pcmu"), 5, "agents.desk.audio", "does not go with path: sip"),
        (desk("lead_ms: 500", "path: sip"), 4, "agents.desk.lead_ms", "does not go with path: sip"),
        (desk("speed: 9"), 4, "agents.desk.speed", "must be less than or equal to 1.5"),
        (desk("lead_ms: '500'"), 4, "agents.desk.lead_ms", "must be a whole number"),
        (
            desk("max_output_tokens: many"),
            4,
            "agents.desk.max_output_tokens",
            "must be a whole number",
        ),
        (
            desk("turn_detection:", "  type: server_vad", "  threshold: 2"),
            6,
            "agents.desk.turn_detection.threshold",
            "must be less than or equal to 1",
        ),
        (
            desk("truncation:", "  type: retention_ratio"),
            4,
            "agents.desk.truncation.retention_ratio",
            "is missing",
        ),
        (
            desk(
                "barge_in: {min_speech_ms: 1}",
                "turn_detection:",
                "  type: server_vad",
                "  create_response: no",
            ),
            7,
            "agents.desk.turn_detection.create_response",
            "does not go with barge_in above 0",
        ),
        (
            desk("tools: [transfer]", "transfers:", "  a: {to: '+15550199', queue: b}"),
            6,
            "agents.desk.transfers.a.to",
            "give either `to` or `queue`",
        ),
        (
            desk("tools: [transfer]", "transfers:", "  a: {queue: b, mode: warm}"),
            6,
            "agents.desk.transfers.a.mode",
            "must be cold with a queue",
        ),
        (
            desk(
                "tools: [transfer]",
                "transfers:",
                "  a:",
                "    to: '+15550199'",
                "    hours:",
                "      zone: Europe/Paris",
                "      mon-fri: 9 to 5",
            ),
            10,
            "agents.desk.transfers.a.hours.mon-fri",
            "must be like",
        ),
        (
            desk("out_of_hours: desk", "hours: {zone: Moon, mon: closed}"),
            5,
            "agents.desk.hours.zone",
            "must be a time zone",
        ),
        (
            desk("out_of_hours: desk"),
            2,
            "agents.desk.hours",
            "is missing",
        ),
        (
            desk("hours: {zone: UTC, mon: '09:00-10:00'}", "out_of_hours: night"),
            5,
            "agents.desk.out_of_hours",
            "no agent is named night",
        ),
        (
            desk("hours: {zone: UTC, mon: '09:00-10:00'}", "out_of_hours: desk"),
            5,
            "agents.desk.out_of_hours",
            "leads round in a circle",
        ),
        (
            desk("path: sip", "tools: [end_call, send_digits]"),
            5,
            "agents.desk.tools.2",
            "send_digits does not go with path: sip",
        ),
        (desk('greeting: "\\ud800"'), 4, "agents.desk.greeting", "has half a character"),
        (desk('greeting: "\\UFFFFFFFF"'), 4, None, "is not YAML that can be read"),
        (
            asking("url: 'https://shop.example:99999/'"),
            4,
            f"{ASKS}.http.url",
            "must be an address whose host",
        ),
        (
            asking("url: 'https://shop.example/{tea'"),
            4,
            f"{ASKS}.http.url",
            "must be an address with a port",
        ),
        (asking("url: 'https://shop.example/#tea'"), 4, f"{ASKS}.http.url", "must be an address"),
        (
            asking('url: https://shop.example/, headers: {A: "b\\r\\nC: d"}'),
            4,
            f"{ASKS}.http.headers.A",
            "is no header that can be sent",
        ),
        (
            asking("url: https://shop.example/", "properties: 3"),
            4,
            f"{ASKS}.parameters.properties",
            "must be as JSON Schema has it",
        ),
        (
            asking("url: 'https://shop.example/{tea}'"),
            4,
            f"{ASKS}.http.url",
            "{tea} must be a required property",
        ),
        (desk("hours: 9-17", "out_of_hours: night"), 4, "agents.desk.hours", "must be an object"),
        (desk("keypad: {end: '5'}"), 4, "agents.desk.keypad.end", "must be '#' or '*'"),
        (desk("keypad: {max_digits: 0}"), 4, "agents.desk.keypad.max_digits", "must be greater"),
        (desk("keypad: {pause_s: 60}"), 4, "agents.desk.keypad.pause_s", "must be less"),
        (desk("keypad: {hidden: yes}"), 4, "agents.desk.keypad.hidden", "is unknown here"),
        (
            desk("idle: {end_after_s: 5}"),
            4,
            "agents.desk.idle.end_after_s",
            "must be more than nudge_after_s",
        ),
        (
            desk("tools: [end_call, fly]"),
            4,
            "agents.desk.tools.2",
            "fly is no tool: there are collect_digits",
        ),
        (
            desk("tools:", "  - end_call", "  - transfer", "  - end_call"),
            7,
            "agents.desk.tools.3",
            "stands here twice",
        ),
        (
            desk("session: {tools: [{type: mcp}]}"),
            4,
            "agents.desk.session.tools.1.server_label",
            "is missing",
        ),
        (
            desk("session:", "  modalities: [audio]"),
            5,
            "agents.desk.session.modalities",
            "was part of the beta protocol: it is output_modalities now",
        ),
        (
            desk("session:", "  audio:", "    input:", "      turn_detection: {treshold: 0.5}"),
            7,
            "agents.desk.session.audio.input.turn_detection.treshold",
            "is unknown here (did you mean threshold?)",
        ),
        (
            desk("session: {model: gpt-realtime-2}"),
            4,
            "agents.desk.session.model",
            "is set by `model:` of the agent",
        ),
        (desk("session: {instructions: 5}"), 4, "agents.desk.session.instructions", "must be text"),
        (
            GOOD.replace("agent: desk", "agent: dask"),
            10,
            "routes.1.agent",
            "no agent is named dask (did you mean desk?): there are desk, night",
        ),
        (
            GOOD.replace("agent: desk", "agent: night"),
            2,
            "agents.desk",
            "no route leads to this agent",
        ),
        (GOOD.replace('"+15550100"', "+15550100"), 9, "routes.1.to", "must be text (in quotes"),
        (GOOD.replace('"+15550100"', '"15550100"'), 9, "routes.1.to", "must be a number like"),
        (
            GOOD.replace('"+15550100"', '"*"'),
            11,
            "routes.2.to",
            "* stands here twice, first on line 9",
        ),
        (
            GOOD.replace("  desk:\n", "  front desk:\n"),
            2,
            "agents.front desk",
            "an agent's name is made of",
        ),
        (
            GOOD.replace("  desk:\n    instructions: Be kind.", "  desk:"),
            2,
            "agents.desk",
            "must be an object",
        ),
        (
            GOOD.replace("Be kind.", "&a Be kind.").replace("Be brief.", "*a"),
            7,
            None,
            "aliases are not allowed",
        ),
        (
            desk("greeting: !!python/object:os.system x"),
            4,
            "agents.desk.greeting",
            "the tag tag:yaml.org,2002:python/object:os.system is not allowed",
        ),
        (desk("lead_ms: !!int many"), 4, "agents.desk.lead_ms", "does not fit its tag"),
        (desk("lead_ms: !!bool many"), 4, "agents.desk.lead_ms", "does not fit its tag"),
        (desk("lead_ms: !!int ''"), 4, "agents.desk.lead_ms", "does not fit its tag"),
        (
            desk("greeting: !!binary aGk="),
            4,
            "agents.desk.greeting",
            "the tag tag:yaml.org,2002:binary is not allowed",
        ),
        (
            desk("turn_detection: {type: vad}"),
            4,
            "agents.desk.turn_detection",
            "must be one of 'server_vad', 'semantic_vad'",
        ),
        (desk("session: {1: 2}"), 4, "agents.desk.session.1", "is unknown here"),
        (desk("session: {[a]: 2}"), 4, None, "a key must be plain text"),
        ("a: [\n", 2, None, "is not YAML that can be read"),
        ("a: 1\n---\nb: 2\n", 2, None, "is not YAML that can be read"),
        ("a: b\nc: \x00\n", 2, None, "is not YAML that can be read"),
        ("a: 1\nb: '\xff'\n".encode("latin-1"), 2, None, "is not UTF-8"),
        ("[" * 100_000, 1, None, "is nested too deeply"),
        ("a" * (limits.agents.AGENTS_FILE_MAX_BYTES + 1), None, None, "is larger than"),
    ],
)
def test_what_is_refused(
    file: Path, text: str | bytes, line: int | None, key: str | None, problem: str
) -> None:
    error = refusal(file, text)
    assert (error.file, error.line, error.key) == (str(file), line, key)
    assert error.problem.startswith(problem)


ONE_ASKED = """\
agents:
  desk:
    instructions: Be kind.
    before: {http: {url: "https://crm.example.com/call"}}
  regulars:
    instructions: Be brief.
routes:
  - {to: "*", agent: desk}
"""


def test_an_answer_to_before_leads_to_agents_without_a_route(file: Path) -> None:
    file.write_text(ONE_ASKED)
    assert load_agents(file).agents.keys() == {"desk", "regulars"}


def test_it_leads_to_none_of_the_other_path(file: Path) -> None:
    error = refusal(file, ONE_ASKED.replace("  regulars:", "  regulars:\n    path: sip"))
    assert (error.key, error.problem) == ("agents.regulars", "no route leads to this agent")


def test_of_several_problems_the_first_is_named(file: Path) -> None:
    error = refusal(file, desk("speed: 9", "lead_ms: 1"))
    assert (error.line, error.key) == (4, "agents.desk.speed")


def test_a_misspelt_key_is_named_before_what_it_leaves_missing(file: Path) -> None:
    error = refusal(file, GOOD.replace("instructions: Be brief", "instruction: Be brief"))
    assert (error.line, error.key) == (7, "agents.night.instruction")


def test_the_sentence_starts_where_an_editor_can_jump_to(file: Path) -> None:
    said = str(refusal(file, desk("vaise: x")))
    assert said == f"{file}:4: agents.desk.vaise: is unknown here (did you mean voice?)"


def test_no_such_file(file: Path) -> None:
    with pytest.raises(AgentFileError, match="cannot be read: No such file"):
        load_agents(file)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(AgentFileError, match="cannot be read: Is a directory"):
        load_agents(tmp_path)


def test_models_with_a_shutdown_date_are_warned_about(file: Path) -> None:
    file.write_text(desk("model: gpt-realtime", "transcription: {model: whisper-1}"))
    assert load_agents(file).warnings == (
        f"{file}:4: agents.desk.model: gpt-realtime is shut down on 2027-01-20: "
        "use gpt-realtime-2.1",
        f"{file}:5: agents.desk.transcription: whisper-1 is shut down on 2027-02-26: "
        "use gpt-transcribe",
    )


def test_a_date_stays_text(file: Path) -> None:
    file.write_text(desk("greeting: 2026-01-20"))
    assert load_agents(file).agents["desk"].greeting == "2026-01-20"


LINES = GOOD.splitlines(keepends=True)
PIECES = st.sampled_from(
    [*LINES, "    session: {audio: {output: 1}}\n", "? [", "    &a *a\n", "!!", "\t", ": ", "- "]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.text(max_size=5)).map("".join) | st.binary(max_size=50))
def test_any_file_is_taken_or_refused(file: Path, text: str | bytes) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    lines, problems = 0, 0
    try:
        load_agents(file)
    except AgentFileError as error:
        lines, problems = str(error).count("\n") + 1, 1 + len(error.others)
    assert lines == problems


def test_a_message_that_nobody_keeps_is_warned_of(file: Path) -> None:
    file.write_text(desk("tools: [take_message]", "record: none"))
    (warning,) = load_agents(file).warnings
    assert warning.startswith(f"{file}:5: agents.desk.record: none keeps nothing of a call")
    file.write_text(desk("tools: [take_message]", "record: metadata"))
    assert load_agents(file).warnings == ()


def test_a_recording_that_nobody_could_find_is_refused(file: Path) -> None:
    """It would never expire, and no caller who is forgotten would lose it."""
    refused = refusal(file, desk("record: none", "recording: {consent: Recorded.}"))
    assert (refused.key, refused.line) == ("agents.desk.recording", 5)
    assert refused.problem.startswith("does not go with `record: none`: by its record a recording")
    file.write_text(desk("recording: {consent: Recorded.}"))
    assert load_agents(file).warnings == ()


def test_keys_are_heard_unless_the_agent_says_otherwise(file: Path) -> None:
    for lines, listens in (([], True), (["keypad: none"], False), (["keypad: {end: null}"], True)):
        file.write_text(desk(*lines))
        assert (load_agents(file).agents["desk"].keypad is not None) == listens


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (("voice: marina",), "agents.desk.voice"),
        (
            ("session: {audio: {output: {voice: marina}}}",),
            "agents.desk.session.audio.output.voice",
        ),
    ],
)
def test_a_misspelt_voice_is_refused(file: Path, lines: tuple[str, ...], key: str) -> None:
    refused = refusal(file, desk(*lines))
    assert (refused.key, refused.line) == (key, 4)
    assert refused.problem == "marina is no voice of OpenAI's (did you mean marin?)"


def test_a_voice_that_may_be_new_is_a_warning(file: Path) -> None:
    file.write_text(desk("voice: zephyr"))
    (warning,) = load_agents(file).warnings
    assert warning.startswith(f"{file}:4: agents.desk.voice: zephyr is not known as a voice")
    for known in ("voice: cedar", "voice: {id: voice_1}"):
        file.write_text(desk(known))
        assert load_agents(file).warnings == ()


def test_what_the_vendor_has_retired_is_told(file: Path) -> None:
    refused = refusal(file, desk("session: {prompt: {id: pmpt_1}}"))
    assert refused.key == "agents.desk.session.prompt"
    assert "write the prompt's text into `instructions`" in refused.problem
    file.write_text(desk("mcp: {mail: {via: openai, connector: connector_gmail}}"))
    (warning,) = load_agents(file).warnings
    assert "agents.desk.mcp.mail.connector: OpenAI has retired connectors" in warning


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    """Not one thing at a time; and what only follows from another problem is left out."""
    refused = refusal(
        file,
        desk("voise: marin", "audio: pcm", "speed: 9", "idle: {end_after: 5}").replace(
            "instructions", "instruction"
        ),
    )
    assert [one.key for one in (refused, *refused.others)] == [
        "agents.desk.instruction",
        "agents.desk.voise",
        "agents.desk.idle.end_after",
        "agents.desk.audio",
        "agents.desk.speed",
    ]
    lines = str(refused).splitlines()
    assert len(lines) == 5
    assert lines[0] == (
        f"{file}:3: agents.desk.instruction: is unknown here (did you mean instructions?)"
    )


def test_all_that_does_not_go_together_is_told_at_once(file: Path) -> None:
    text = GOOD.replace("agent: desk", "agent: dask").replace(
        "Be kind.",
        "Be kind.\n    voice: marina\n    session: {tracing: 5, output_modalities: [text]}",
    )
    refused = refusal(file, text)
    assert [one.key for one in (refused, *refused.others)] == [
        "routes.1.agent",
        "agents.desk.session.tracing",
        "agents.desk.session.output_modalities",
        "agents.desk.voice",
    ]
    assert "did you mean desk?" in refused.problem


def test_a_value_of_a_union_is_one_problem(file: Path) -> None:
    refused = refusal(
        file, desk("mcp: {a: {via: gateway, url: 'https://a.example', approval: {nun: [x]}}}")
    )
    assert (refused.key, refused.others) == ("agents.desk.mcp.a.approval.nun", ())


def test_no_more_problems_are_told_than_somebody_reads(file: Path) -> None:
    refused = refusal(file, desk(*(f"wrong{n}: 1" for n in range(99))))
    assert len(str(refused).splitlines()) == limits.agents.FILE_PROBLEMS_MAX


def test_a_wrong_word_of_two_lines_is_told_in_one(file: Path) -> None:
    refused = refusal(file, desk('audio: "p\\nm"', 'tools: ["a\\nb"]'))
    assert len(str(refused).splitlines()) == 1 + len(refused.others)
