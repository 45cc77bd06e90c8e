"""Expectations of a scenario, checked on the record of a call; each failure is a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.audio.tones import hold_mulaw
from gateway.simulator.audio.analysis import heard_keys, likeness, loud_ms, same_words, samples
from gateway.simulator.audio.turn_measurement import percentile
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.scenario.expect import Echo, Expect

DELIBERATE: Final = frozenset(
    {"completed_by_rest", "hangup_verb", "end_of_document", "far_end_hung_up"}
)
HELD_MS: Final = 1_600
"""Sounding part of the hold tone, without its pause."""
HELD_MIN: Final = 0.9
MUSIC_SHARE: Final = 0.3
"""Least share of sound in a wait: music has pauses."""
TALK_MIN_MS: Final = 300
MESSAGE_LIKENESS: Final = 0.9
MESSAGE_EXTRA_MS: Final = 300
UNHEARD_MAX_MS: Final = 20
"""One silent frame: a hang-up may come on the last mark."""


def failures(record: RehearsalRecord, expect: Expect) -> list[str]:
    """Return a sentence for each expectation that failed."""
    return [
        *_ending(record, expect),
        *_turns(record, expect),
        *_times(record, expect),
        *_sound(record, expect),
        *_transfers(record, expect),
        *_waits(record, expect),
        *_texts(record, expect),
        *_message(record, expect),
        *_record(record, expect),
        *_result(record, expect),
    ]


def _result(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    fields = record.result.get("fields", {})
    for name, wanted in expect.result.items():
        if (found := fields.get(name)) != wanted:
            why = record.result.get("reason") or "there was no result" if not fields else ""
            yield f"result {name} is {found!r}, expected {wanted!r}{f' ({why})' if why else ''}"


def _ending(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    ending = record.ending
    if ending.by == "failure":
        yield f"the call failed: {ending.how}"
    if expect.ending and ending.by != expect.ending:
        yield f"ended by the {ending.by} ({ending.how}), expected the {expect.ending}"
    if expect.how and not _ended_as(record, expect.how):
        yield f"ended as {ending.how}, expected {expect.how}"
    if expect.no_protocol_warnings:
        for warning in record.warnings:
            if warning.counts:
                yield f"Twilio warning {warning.code}: {warning.text}"


def _ended_as(record: RehearsalRecord, how: str) -> bool:
    """Compare endings; on the SIP path the model's leg ends and the document goes on."""
    by_sip = bool(record.paths) and record.paths[-1] != "media"
    if by_sip and how in DELIBERATE:
        return record.ending.how in DELIBERATE
    return record.ending.how == how


def _transfers(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    wanted, found = expect.transferred_to, record.transferred_to
    if wanted and wanted not in found:
        yield f"transferred to {' and '.join(found) or 'nobody'}, expected {wanted}"
    if (refuses := expect.not_transferred_to) is not None:
        if refuses in found:
            yield f"transferred to {refuses}, expected that they refuse the call"
        if refuses not in record.screened:
            yield f"{refuses} was not asked whether they take the call"
    if expect.whispered and not re.search(expect.whispered, record.whispered):
        yield f"whispered {record.whispered!r}, expected {expect.whispered!r}"


def _waits(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    if expect.music and not record.waits_ms:
        yield "the caller was in no queue"
    for begin, end in record.waits_ms if expect.music else ():
        share = loud_ms(record.heard[samples(begin) : samples(end)]) / max(end - begin, 1)
        if share < MUSIC_SHARE:
            yield f"the caller heard something for {share:.0%} of the wait in a queue"
    if expect.talked and record.person_heard_ms < TALK_MIN_MS:
        yield f"a person heard {record.person_heard_ms:.0f} ms of the caller"


def _texts(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    got = iter(record.texts)
    for wanted in expect.texts:
        if not any(re.fullmatch(wanted, text, re.DOTALL) for text in got):
            yield f"no text {wanted!r} was received, or not in this order: {record.texts}"


def words(record: RehearsalRecord, expect: Expect) -> list[str]:
    """Return what the model did not call or say, by the entries of its journal."""
    return [*tools(record, expect), *_said(record, expect), *_violations(record, expect)]


def tools(record: RehearsalRecord, expect: Expect) -> list[str]:
    """Return a sentence for each tool that was not called in this order."""
    called = iter([one["name"] for one in record.words if one.get("kind") == "tool_called"])
    missing = [name for name in expect.tools if name not in called]
    return [f"the tool {name} was not called, or not in this order" for name in missing]


def _said(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    said = iter([str(one.get("text", "")) for one in record.words if one.get("kind") == "said"])
    for wanted in expect.said:
        if not any(re.fullmatch(wanted, words, re.DOTALL) for words in said):
            yield f"the model did not say {wanted!r}, or not in this order"


def _violations(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    if expect.no_protocol_warnings:
        for one in record.words:
            if one.get("kind") == "violation":
                yield f"the model refused: {one.get('code')}: {one.get('message')}"


def paths(records: Sequence[RehearsalRecord], expect: Expect) -> list[str]:
    """Compare how many calls of a run were first answered on each path."""
    found = Counter(record.paths[0] for record in records if record.paths)
    return [
        f"{found[path]} calls on the path {path}, expected {count}"
        for path, count in expect.paths.items()
        if found[path] != count
    ]


def agents(found: Mapping[str, int], expect: Expect) -> list[str]:
    """Compare how many calls of a run each agent answered."""
    return [
        f"{found.get(agent, 0)} calls answered by {agent}, expected {count}: {dict(found)}"
        for agent, count in expect.agents.items()
        if found.get(agent, 0) != count
    ]


def _turns(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    turns, barge_ins = len(record.turns) - 1, len(record.barge_ins)
    if expect.min_turns is not None and turns < expect.min_turns:
        yield f"{turns} turns, expected at least {expect.min_turns}"
    if expect.max_turns is not None and turns > expect.max_turns:
        yield f"{turns} turns, expected at most {expect.max_turns}"
    if expect.barge_ins is not None and barge_ins != expect.barge_ins:
        yield f"{barge_ins} barge-ins, expected {expect.barge_ins}"


def _times(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    if (limit := expect.max_latency_ms) is not None:
        p95 = percentile(record.latencies_ms, 0.95)
        if p95 is None:
            yield "no turn was answered: there is no latency"
        elif p95 > limit:
            yield f"the caller waited {p95:.0f} ms (p95), expected at most {limit:g} ms"
    if (limit := expect.silence_after_barge_in_ms) is not None:
        for turn in record.turns:
            if turn.kind == "interrupt" and (turn.silent_after_ms or 0) > limit:
                late = f"{turn.silent_after_ms:.0f} ms after the interruption"
                yield f"turn {turn.number}: silent {late}, expected at most {limit:g} ms"


def _sound(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    if (wanted := expect.heard_ms) and not wanted.min <= record.heard_ms <= wanted.max:
        yield f"{record.heard_ms:.0f} ms of sound heard, expected {wanted.min:g} to {wanted.max:g}"
    if expect.heard_to_the_end and record.unheard_ms > UNHEARD_MAX_MS:
        yield f"the last {record.unheard_ms:.0f} ms were cut off by the hang-up"
    if expect.held and (found := held(record)) < HELD_MIN:
        yield f"the hold tone correlates with what was heard at {found:.2f}, expected {HELD_MIN:g}"
    if (keys := expect.keys_heard) is not None and (sounded := heard_keys(record.heard)) != keys:
        yield f"the keys {sounded!r} were heard, expected {keys!r}"
    if expect.echo and (found := echo(record, expect.echo)) < expect.echo.min_correlation:
        wanted_likeness = expect.echo.min_correlation
        yield f"step {expect.echo.of_step} came back at {found:.2f}, expected {wanted_likeness:g}"


def held(record: RehearsalRecord) -> float:
    """Return the best correlation of the hold tone with what was heard."""
    return likeness(hold_mulaw()[: samples(HELD_MS)], record.heard)


def _message(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    """Check what an answering machine recorded after its beep."""
    if expect.after_beep is None:
        return
    if record.beep_ms is None:
        yield "there was no beep"
        return
    recorded = record.heard[samples(record.beep_ms) :]
    found = same_words(record.message, recorded)
    if found < MESSAGE_LIKENESS:
        yield f"the recording after the beep correlates at {found:.2f} with the message"
    extra_ms = loud_ms(recorded) - loud_ms(record.message)
    if extra_ms > MESSAGE_EXTRA_MS:
        yield f"{extra_ms:.0f} ms of other sound were recorded after the beep"


def _record(record: RehearsalRecord, expect: Expect) -> Iterator[str]:
    for name, wanted in expect.record.items():
        found = record.of_gateway.get(name)
        if found != wanted:
            yield f"the gateway's record has {name}: {found}, expected {wanted}"


def echo(record: RehearsalRecord, expect: Echo) -> float:
    """Return the correlation of the caller's words of a step with what they heard after it."""
    for one in record.utterances:
        if one.step == expect.of_step:
            said = record.spoken[one.begin : one.end].strip(b"\xff\x7f")
            length = len(said) if expect.first_ms is None else samples(expect.first_ms)
            return likeness(said[:length], record.heard[one.end :])
    return 0.0
