"""TwiML as the simulated carrier reads it: as strict as Twilio."""

from __future__ import annotations

import pytest

from gateway.simulator.twilio.twiml import TwimlError, parse, stream_parameters

URL = "https://gateway.example.com/twilio/voice"


def document(inside: str) -> str:
    return f"<?xml version='1.0'?><Response>{inside}</Response>"


def test_verbs_have_attributes_text_and_children() -> None:
    xml = document('<Say language="fr-FR"> Bon<emphasis>jour</emphasis> </Say><Hangup/>')
    say, hangup = parse(xml, URL).verbs
    assert (say.name, say.text, say.get("language")) == ("Say", "Bonjour", "fr-FR")
    assert (hangup.name, hangup.text, hangup.get("reason", "none")) == ("Hangup", "", "none")


def test_only_say_takes_the_text_of_its_children() -> None:
    (dial,) = parse(document("<Dial> +15550100 <Number>+15550199</Number></Dial>"), URL).verbs
    assert dial.text == "+15550100"
    number = dial.first("Number")
    assert number is not None
    assert number.text == "+15550199"
    assert dial.first("Sip") is None


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ("", 12100),
        ("<Response>", 12100),
        ("<Response/><Response/>", 12100),
        ("<Answer/>", 12200),
        (document("<Fly/>"), 12200),
        (document("<say>no capital</say>"), 12200),
    ],
)
def test_what_twilio_would_not_execute(xml: str, code: int) -> None:
    with pytest.raises(TwimlError) as refused:
        parse(xml, URL)
    assert refused.value.code == code
    assert str(refused.value).startswith(f"{code}: ")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ('timeout="7"', 7.0),
        ('timeout="0.5"', 0.5),
        ('timeout="-1"', 0.0),
        ('timeout="x"', 5.0),
        ("", 5.0),
    ],
)
def test_seconds_that_are_none_are_the_default(given: str, seconds: float) -> None:
    (verb,) = parse(document(f"<Gather {given}/>"), URL).verbs
    assert verb.seconds("timeout", 5.0) == seconds


def stream(name: str, value: str) -> str:
    return (
        f'<Connect><Stream url="wss://a"><Parameter name="{name}" value="{value}"/><Custom/>'
        "</Stream></Connect>"
    )


def test_parameters_of_a_stream_have_a_bound() -> None:
    (connect,) = parse(document(stream("t", "v" * 498)), URL).verbs
    inner = connect.first("Stream")
    assert inner is not None
    assert stream_parameters(inner) == {"t": "v" * 498}
    (connect,) = parse(document(stream("t", "v" * 499)), URL).verbs
    inner = connect.first("Stream")
    assert inner is not None
    with pytest.raises(TwimlError, match="parameter 't' is 500 characters"):
        stream_parameters(inner)
