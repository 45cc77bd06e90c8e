"""Calls that are drawn alike go as they went."""

from __future__ import annotations

import pytest

from call import reference_calls


def test_each_reference_call_is_written_down() -> None:
    assert list(reference_calls.written()) == reference_calls.names()


@pytest.mark.parametrize("name", reference_calls.names())
def test_a_reference_call_goes_as_it_went(name: str) -> None:
    went, goes = reference_calls.written().get(name, []), reference_calls.digests(name)
    differ = [nth for nth, pair in enumerate(zip(went, goes, strict=False)) if pair[0] != pair[1]]
    assert went == goes, (
        f"{name} goes another way from scene {(differ or [min(len(went), len(goes))])[0]} on; "
        f"look at it with `python -m call.reference_calls --show {name}` in this tree and in the "
        "one before; if that was meant, write all calls anew with --write"
    )
