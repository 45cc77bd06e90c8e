"""Running calls by their keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from call_doubles import MEDIA_CALL, SIP_CALL, CallDouble

from gateway.bridge.calls.call_table import CallTable
from gateway.call.call_info import CallInfo


def call(facts: CallInfo) -> Any:
    return cast("Any", CallDouble(facts))


def test_calls_are_found_by_what_others_know_them_by() -> None:
    table, media, sip = CallTable(), call(MEDIA_CALL), call(SIP_CALL)
    table.add_media(media)
    table.add_sip(sip)
    assert (table.media_count, table.sip_count) == (1, 1)
    assert table.calls == [media, sip]
    assert table.sip_calls == [sip]
    assert table.call(MEDIA_CALL.call_sid) is media
    assert table.call(SIP_CALL.call_id) is sip
    assert table.call("rtc_2") is None
    assert table.media_call(MEDIA_CALL.call_sid) is media
    assert table.media_call(SIP_CALL.call_id) is None


def test_an_outbound_call_by_sip_is_found_by_both_ids() -> None:
    table, placed = CallTable(), call(replace(SIP_CALL, direction="outbound"))
    table.add_sip(placed)
    assert table.call(SIP_CALL.call_sid) is placed
    assert table.call(SIP_CALL.call_id) is placed


def test_both_legs_of_one_telephone_call() -> None:
    table, media, sip = CallTable(), call(MEDIA_CALL), call(SIP_CALL)
    other = call(replace(SIP_CALL, call_sid="CA" + "2" * 32, call_id="rtc_2"))
    table.add_media(media)
    table.add_sip(sip)
    table.add_sip(other)
    assert table.calls_of(MEDIA_CALL.call_sid) == [media, sip]
    assert table.sip_calls_of(MEDIA_CALL.call_sid) == [sip]


def test_a_call_is_removed_but_not_the_one_that_took_its_place() -> None:
    table, first, second, sip = CallTable(), call(MEDIA_CALL), call(MEDIA_CALL), call(SIP_CALL)
    table.add_media(first)
    table.add_media(second)
    table.add_sip(sip)
    table.remove(first)
    assert table.calls == [second, sip]
    table.remove(second)
    table.remove(sip)
    table.remove(sip)
    assert table.calls == []
