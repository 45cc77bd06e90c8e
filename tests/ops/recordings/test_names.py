"""Names of recordings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.ops.recordings.names import recording_name


def test_the_ids_of_vendors_are_names_as_they_are() -> None:
    for call in ("CA" + "0f" * 16, "rtc_u1_9c6574da8b8a41a18da9308f4ad974ce"):
        assert recording_name(call) == call


@given(st.text())
def test_no_name_leads_out_of_its_folder(call: str) -> None:
    assert set(recording_name(call)).isdisjoint("/\\.~\0*?[")
    assert 1 <= len(recording_name(call)) <= 100
