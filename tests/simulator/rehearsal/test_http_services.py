"""Web services of a scenario, and what is looked at when its call is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.errors import ServiceUnreachable
from gateway.simulator.caller.helper_processes import helping
from gateway.simulator.rehearsal import expectations
from gateway.simulator.rehearsal.http_services import (
    PLACEHOLDER,
    HttpServices,
    serving,
    with_addresses,
)
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.scenario.expect import Expect
from gateway.simulator.scenario.parties import Answer
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.outcomes import CallOutcome


async def test_each_path_answers_as_the_file_says_and_is_counted() -> None:
    services = HttpServices({"/a": Answer(json={"left": 4}), "/b": Answer(status=500)})
    async with (
        serving(services) as url,
        httpx2.AsyncClient(verify=False, trust_env=False) as client,
    ):
        assert (await client.get(f"{url}/a?tea=x")).json() == {"left": 4}
        assert (await client.post(f"{url}/b", json={})).status_code == 500
        assert (await client.get(f"{url}/c")).status_code == 404
    assert services.failures({"/a": 1, "/b": 1}) == []
    assert services.failures({"/a": 2}) == ["the service /a was asked 1 times, expected 2"]


def test_where_they_are_stands_wherever_it_is_asked_for() -> None:
    addresses = {PLACEHOLDER: "http://127.0.0.1:9"}
    agents = {"agents": {"desk": {"urls": ["${services}/a", 1, None]}}}
    assert with_addresses(agents, addresses) == {
        "agents": {"desk": {"urls": ["http://127.0.0.1:9/a", 1, None]}}
    }
    assert with_addresses("url: ${services}/{b}\n", addresses) == "url: http://127.0.0.1:9/{b}\n"


def record(*words: dict[str, Any]) -> RehearsalRecord:
    return RehearsalRecord(
        "x", "CA1", CallOutcome("gateway", "x"), b"", b"", [], [], [], [], words=list(words)
    )


def said(*texts: str) -> RehearsalRecord:
    return record(*({"kind": "said", "text": text} for text in texts))


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (["Hello\\.", "Bye\\."], True),
        (["Bye\\.", "Hello\\."], False),
        (["Hell"], False),
        (["Hello\\.", "Hello\\."], False),
        ([], True),
    ],
)
def test_what_was_said_in_its_turn(wanted: list[str], holds: bool) -> None:
    failures = expectations.words(said("Hello.", "One moment.", "Bye."), Expect(said=wanted))
    assert (not failures) == holds


@pytest.mark.parametrize(
    "code", ["conversation_already_has_active_response", "invalid_tool_call_id"]
)
def test_what_the_models_server_refused_is_a_failure(code: str) -> None:
    broken = record({"kind": "violation", "code": code, "message": "no"})
    assert expectations.words(broken, Expect()) == [f"the model refused: {code}: no"]
    assert expectations.words(broken, Expect(no_protocol_warnings=False)) == []


def test_an_expression_is_one() -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        Scenario.model_validate({"name": "x", "steps": ["hang_up"], "expect": {"said": ["("]}})


async def test_a_process_of_the_scenarios_own_is_killed_and_started_again(tmp_path: Path) -> None:
    serve = (
        "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, port=int(sys.argv[1]))"
    )
    async with helping({"shelf": ["python", "-c", serve, "${port}"]}, tmp_path) as helpers:
        (url,) = helpers.addresses.values()
        assert helpers.addresses == {"${shelf}": url}
        async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
            assert (await client.get(url)).status_code == 200
            await helpers.kill("shelf")
            with pytest.raises(httpx2.ConnectError):
                await client.get(url)
            await helpers.start("shelf")
            assert (await client.get(url)).status_code == 200


async def test_a_process_that_ends_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnreachable, match="shelf did not start: fallen"):
        async with helping({"shelf": ["python", "-c", "raise SystemExit('fallen')"]}, tmp_path):
            pass


def test_a_step_names_a_process_that_there_is() -> None:
    with pytest.raises(ValueError, match="no process is named shelf"):
        Scenario.model_validate({"name": "x", "steps": [{"kill": "shelf"}]})
