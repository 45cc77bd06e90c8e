"""What OpenAI posts: read as the vendor's types read it, refused where it cannot be true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import json_values
from openai.types.webhooks import RealtimeCallIncomingWebhookEvent

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route
from gateway.errors import PeerError
from gateway.protocols.openai_webhooks import IncomingCall, number_of, parse

MOST_HEADERS = 128
quickly = settings(max_examples=40, deadline=None)
HEADERS = [
    {"name": "From", "value": '"Ann" <sip:+14155550123@example.pstn.twilio.com>;tag=1'},
    {"name": "To", "value": "<sip:+15550100@sip.api.openai.com>"},
    {"name": "Call-ID", "value": "abc@1.2.3.4"},
    {"name": "x-gateway-call", "value": " CA1 "},
    {"name": "X-Gateway-Call", "value": "CA2"},
]
EVENT: dict[str, Any] = {
    "object": "event",
    "id": "evt_1",
    "type": "realtime.call.incoming",
    "created_at": 1_750_287_018,
    "data": {"call_id": "rtc_u1_abc", "sip_headers": HEADERS, "sip_media_security": "srtp"},
}


def body(changes: dict[str, Any] | None = None, **data: Any) -> bytes:
    changed = EVENT | (changes or {})
    if data:
        changed = changed | {"data": EVENT["data"] | data}
    return json.dumps(changed).encode()


def incoming(headers: list[dict[str, str]], **data: Any) -> IncomingCall:
    call = parse(body(sip_headers=headers, **data), MOST_HEADERS)
    assert isinstance(call, IncomingCall)
    return call


def header(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def test_it_reads_what_the_vendors_type_reads() -> None:
    theirs = RealtimeCallIncomingWebhookEvent.model_validate(EVENT, strict=True)
    call = parse(body(), MOST_HEADERS)
    assert isinstance(call, IncomingCall)
    assert call.call_id == theirs.data.call_id
    assert call.created_at == theirs.created_at
    assert call.media_security == theirs.data.sip_media_security
    assert [value for _, value in call.headers] == [
        one.value.strip() for one in theirs.data.sip_headers
    ]


def test_headers_keep_their_order_and_repetition_and_lose_their_case() -> None:
    call = incoming([*HEADERS, header("VIA", "a"), header("via", "b")])
    assert call.values("Via") == ["a", "b"]
    assert call.values("X-GATEWAY-CALL") == ["CA1", "CA2"]
    assert call.first("x-Gateway-call") == "CA1"
    assert call.first("Absent") == ""


@pytest.mark.parametrize("security", ["srtp", "rtp", "zrtp", "", None])
def test_media_security_is_passed_on_as_it_is(security: str | None) -> None:
    assert incoming(HEADERS, sip_media_security=security).media_security == security


def test_media_security_may_be_left_out() -> None:
    data = {k: v for k, v in EVENT["data"].items() if k != "sip_media_security"}
    call = parse(body({"data": data}), MOST_HEADERS)
    assert isinstance(call, IncomingCall)
    assert call.headers == () or call.media_security is None


def test_dialled_are_to_and_then_diversion_and_the_caller_is_from() -> None:
    call = incoming(
        [
            header("diversion", "<sip:+15550111@a>;reason=unconditional"),
            header("Diversion", "<tel:+15550112>"),
            header("Diversion", "nonsense"),
            header("TO", "<sip:+15550100:x@b.example:5060;user=phone>"),
            header("from", "<sip:+14155550123@c>"),
        ]
    )
    assert list(call.dialled) == [
        "+15550100",
        "sip:+15550100@b.example",
        "+15550111",
        "sip:+15550111@a",
        "+15550112",
    ]
    assert call.caller == "+14155550123"


def test_an_address_that_is_no_number_can_be_routed_by() -> None:
    """As on the media path, where Twilio posts it whole."""
    call = incoming([header("To", '"Desk" <SIP:desk@Example.com:5061;transport=tls>;tag=1')])
    agent = Agent(name="desk", instructions="Be kind.")
    routes = [Route(to="sip:desk@example.com", agent="desk")]
    assert AgentBook({"desk": agent}, routes).pick_any(list(call.dialled)) is agent


@pytest.mark.parametrize(
    "value",
    ["sip:anonymous@anonymous.invalid", '"Anonymous" <sip:Restricted@host>', "tel:+266696687"],
)
def test_a_withheld_number_is_none(value: str) -> None:
    assert incoming([header("From", value)]).caller == ""


def test_nothing_is_invented_where_headers_are_missing() -> None:
    call = incoming([])
    assert (list(call.dialled), call.caller) == ([], "")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("sip:+15550100@host", "+15550100"),
        ("SIP:+15550100@host", "+15550100"),
        ("sips:+15550100@host:5061;transport=tls", "+15550100"),
        ("<sip:+15550100@host>;tag=a", "+15550100"),
        ('"Ann B." <sip:+15550100@host;user=phone>;tag=a', "+15550100"),
        ("Ann <sip:+15550100@[2001:db8::1]:5060>", "+15550100"),
        ("sip:15550100@host", "+15550100"),
        ("sip:%2B15550100@host", "+15550100"),
        ("sip:%2b15550100@host", "+15550100"),
        ("sip:+15550100;npdi=yes@host", "+15550100"),
        ("sip:+15550100:secret@host", "+15550100"),
        ("sip:+1-555.01(00)@host", "+15550100"),
        ("tel:+15550100", "+15550100"),
        ("<tel:+1-555-0100;ext=7>", "+15550100"),
        ("sip:reception@example.com", "reception"),
        ("sip:proj_abc-1@sip.api.openai.com;transport=tls", "proj_abc-1"),
        ("sip:anonymous@anonymous.invalid", "anonymous"),
        # Callers may give themselves any name.
        ('"sip:+19990000@evil" <sip:+15550100@host>', "+15550100"),
        (r'"a\" <sip:+19990000@evil>" <sip:+15550100@host>', "+15550100"),
        ("tel:+19990000 <sip:+15550100@host>", "+15550100"),
        ("<sip:+15550100@host>;other=sip:+19990000@evil", "+15550100"),
        # No user: nobody was named, and least of all a number.
        ("sip:example.com", ""),
        ("sip:192.0.2.10:5060", ""),
        ("<sip:10.0.0.1>", ""),
        ("sip:@host", ""),
        ("sip:", ""),
        ("tel:", ""),
        ("mailto:a@b", ""),
        ("gossip:+15550100@host", ""),
        ("+15550100", ""),
        ("", ""),
        ("<", ""),
        ('"', ""),
        ("sip:" + "9" * 200 + "@host", ""),
        ("x" * 5000 + "sip:+15550100@host", ""),
    ],
)
def test_number_of(value: str, number: str) -> None:
    assert number_of(value) == number


@quickly
@given(st.text(max_size=2000))
def test_number_of_takes_any_text(value: str) -> None:
    number = number_of(value)
    assert len(number) <= 65
    assert not set(number) & set("<>@;? \t\r\n")


@pytest.mark.parametrize("kind", ["live.transport.incoming", "batch.completed", "", "\u00e9" * 99])
def test_another_type_is_named_and_nothing_else_of_it_is_looked_at(kind: str) -> None:
    other = json.dumps({"type": kind, "data": [1], "created_at": 1}).encode()
    assert parse(other, MOST_HEADERS) == kind


DEEP = 60_000


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'"realtime.call.incoming"',
        b'{"type":1}',
        b'{"type":"\xff"}',
        b'{"type":"\\ud800"}',
        body({"data": None}),
        body({"data": {}}),
        body({"created_at": "now"}),
        body({"created_at": -1}),
        body({"created_at": 10**400}),
        body(call_id=""),
        body(call_id=7),
        body(call_id="rtc/../../x"),
        body(call_id="rtc_" + "a" * 200),
        body(call_id="rtc_a\n"),
        body(call_id="rtc_\u0661"),
        body(sip_headers=[header("X", "")] * (MOST_HEADERS + 1)),
        body()[:-1],
        body() + b"}",
        b'{"type":"realtime.call.incoming","created_at":1,"data":' + b"[" * DEEP,
        b'{"type":"x","data":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"type":"x","other":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    ],
)
def test_what_cannot_be_true_is_refused(document: bytes) -> None:
    with pytest.raises(PeerError) as refused:
        parse(document, MOST_HEADERS)
    assert refused.value.kind == "malformed"


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "To"},
        {"name": "To", "value": None},
        {"name": None, "value": "x"},
        {"name": "To", "value": ["x"]},
        "To: x",
        None,
    ],
)
def test_a_header_that_cannot_be_read_is_left_out_alone(odd: object) -> None:
    call = parse(body(sip_headers=[odd, header("From", "sip:+15550123@h"), odd]), MOST_HEADERS)
    assert isinstance(call, IncomingCall)
    assert call.headers == (("from", "sip:+15550123@h"),)
    assert call.caller == "+15550123"
    assert {name.partition(".")[0] for name in call.left_out} == {"sip_headers"}
    assert len(call.left_out) == 2


@pytest.mark.parametrize("odd", [{"sip_headers": {}}, {"sip_media_security": 1}])
def test_an_odd_field_that_only_refines_does_not_refuse_a_call(odd: dict[str, object]) -> None:
    call = parse(body(**odd), MOST_HEADERS)
    assert isinstance(call, IncomingCall)
    assert call.headers == () or call.media_security is None
    assert call.left_out == tuple(odd)


def test_as_many_headers_as_are_allowed() -> None:
    assert len(incoming([header("X", "")] * MOST_HEADERS).headers) == MOST_HEADERS


def test_an_event_of_any_year_is_taken() -> None:
    """From the beginning of Unix time to the last second of the year 9999."""
    for created_at in (0, 253_402_300_799):
        call = parse(body({"created_at": created_at}), MOST_HEADERS)
        assert isinstance(call, IncomingCall)
        assert call.created_at == created_at
    with pytest.raises(PeerError):
        parse(body({"created_at": 253_402_300_800}), MOST_HEADERS)


def test_an_event_that_does_not_say_when_is_as_old_as_can_be() -> None:
    event = {name: value for name, value in EVENT.items() if name != "created_at"}
    call = parse(json.dumps(event).encode(), MOST_HEADERS)
    assert isinstance(call, IncomingCall)
    assert call.created_at == 0


def test_the_longest_header_and_the_longest_user_are_read() -> None:
    """What is longer than anybody's name or number is not looked at."""
    for size, number in ((1024, "+15550100"), (1025, "")):
        uri = "<sip:+15550100@h>"
        value = f'"{"a" * (size - len(uri) - 2)}"{uri}'
        assert len(value) == size
        assert number_of(value) == number
    assert number_of(f"sip:{'a' * 64}@h") == "a" * 64
    assert number_of(f"sip:{'a' * 65}@h") == ""


near = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["realtime.call.incoming", "live.transport.incoming"])
        | json_values(),
        "created_at": st.integers() | json_values(),
        "data": st.fixed_dictionaries(
            {},
            optional={
                "call_id": st.text(alphabet="rtc_01", max_size=8) | json_values(),
                "sip_headers": st.lists(
                    st.fixed_dictionaries({"name": st.text(), "value": st.text() | json_values()}),
                    max_size=5,
                ),
                "sip_media_security": json_values(),
            },
        )
        | json_values(),
    },
)


def looked_through(document: bytes) -> None:
    try:
        call = parse(document, MOST_HEADERS)
    except PeerError:
        return
    if isinstance(call, IncomingCall):
        assert len(list(call.dialled)) <= MOST_HEADERS
        assert isinstance(call.caller, str)
        assert call.created_at >= 0


@quickly
@given(st.binary(max_size=400))
def test_any_bytes(document: bytes) -> None:
    looked_through(document)


@quickly
@given(near.map(lambda value: json.dumps(value).encode()))
def test_anything_like_an_event(document: bytes) -> None:
    looked_through(document)


@quickly
@given(st.integers(0, 600), st.binary(max_size=3))
def test_an_event_damaged_on_its_way(at: int, other: bytes) -> None:
    whole = body()
    looked_through(whole[: at % len(whole)] + other + whole[at % len(whole) + len(other) :])
