"""Types of the model's events, beside the vendor's own."""

from __future__ import annotations

from typing import get_args

from openai.types.realtime import RealtimeServerEvent

from gateway.protocols import realtime_server as wire

VENDORS = {
    get_args(arm.model_fields["type"].annotation)[0]: arm
    for arm in get_args(get_args(RealtimeServerEvent)[0])
}
OURS = {str(kind.__struct_config__.tag): kind for kind in get_args(wire.Known)}


def test_every_event_is_one_of_the_vendors() -> None:
    assert set(OURS) <= set(VENDORS)


def test_every_field_is_one_of_the_vendors() -> None:
    for tag, kind in OURS.items():
        unknown = set(kind.__struct_fields__) - set(VENDORS[tag].model_fields) - {"event_id"}
        assert not unknown, f"{tag}: {unknown}"
