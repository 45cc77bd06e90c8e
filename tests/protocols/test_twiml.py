"""Templates: refused with a line, rendered so that any value comes back out of a parser."""

from __future__ import annotations

import inspect
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml import messaging_response, voice_response  # type: ignore[import-untyped] # it has no types

from gateway.errors import BugError, TemplateError
from gateway.protocols.twiml import PLACEHOLDERS, VERBS, Template, parse_template

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CONNECT = dict.fromkeys(PLACEHOLDERS["connect.xml"], "x")


def apology(body: str) -> Template:
    return parse_template(f"<Response>{body}</Response>", "apology.xml")


def body(template: Template, **values: str) -> ElementTree.Element:
    return ElementTree.fromstring(template.render({"apology": "a", "language": "en"} | values))


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ("", 1, None, "is not well-formed XML: no element found"),
        ("<Response>\n<Hangup>\n</Response>", 3, None, "is not well-formed XML: mismatched tag"),
        ("<Response>\n&nbsp;</Response>", 2, None, "is not well-formed XML: undefined entity"),
        ("<Response/><Response/>", 1, None, "is not well-formed XML: junk after document element"),
        ("<Response>\ud800</Response>", None, None, "is not text that XML can hold"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>\n<Response/>", 1, None, "must have no DOCTYPE"),
        (
            "<!DOCTYPE Response SYSTEM 'file:///etc/passwd'>\n<Response/>",
            1,
            None,
            "must have no DOCTYPE",
        ),
        ("<Response>\n<?php x ?></Response>", 2, None, "must have no processing instructions"),
        ("<Say/>", 1, "Say", "the outermost element must be <Response>"),
        ("<response/>", 1, "response", "the outermost element must be <Response>"),
        ("<Response>\n  <Sey/></Response>", 2, "Sey", "no such verb"),
        ("<Response>\n  <Stream/></Response>", 2, "Stream", "must not stand inside <Response>"),
        ("<Response><Say>\n<Say/></Say></Response>", 2, "Say", "must not stand inside <Say>"),
        ("<Response><Say\n loop='1'\n speed='2'/></Response>", 1, "Say.speed", "no such attribute"),
        ("<Response xmlns='urn:x'/>", 1, "Response.xmlns", "no such attribute"),
        ("<Response>\nHello</Response>", 2, "Response", "must hold no text"),
        (
            "<Response>\n<Say>${apolgy}</Say></Response>",
            2,
            "Say",
            "${apolgy} is unknown here: there are apology, language",
        ),
        (
            "<Response><Say language='${token}'/></Response>",
            1,
            "Say.language",
            "${token} is unknown here",
        ),
        ("<Response><Say>${apology</Say></Response>", 1, "Say", "a placeholder is not closed"),
        ("<Response><Say>${${apology}}</Say></Response>", 1, "Say", "a placeholder is not closed"),
        ("<Response><Say>${}</Say></Response>", 1, "Say", "${} is unknown here"),
        ("<Response><${apology}/></Response>", 1, None, "is not well-formed XML"),
        (
            "<Response><Connect>\n<Stream url='wss://x/y?token=1'/></Connect></Response>",
            2,
            "Stream.url",
            "must have no query and no fragment",
        ),
        (
            "<Response><Connect><Stream url='wss://x/y#z'/></Connect></Response>",
            1,
            "Stream.url",
            "must have no query and no fragment",
        ),
    ],
)
def test_what_is_refused(text: str, line: int | None, key: str | None, problem: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse_template(text, "some/apology.xml")
    error = refused.value
    assert (error.file, error.line, error.key) == ("some/apology.xml", line, key)
    assert error.problem.startswith(problem)


def test_only_the_address_of_a_stream_has_no_query() -> None:
    dial = body(apology("<Dial><Number url='https://x/y?a=1'>+1</Number></Dial>"))
    assert dial[0][0].attrib == {"url": "https://x/y?a=1"}
    connect = body(apology("<Connect><Stream url='wss://x/y'/></Connect>"))
    assert connect[0][0].attrib == {"url": "wss://x/y"}


def test_an_unknown_file_is_refused() -> None:
    with pytest.raises(
        TemplateError, match=r"voice\.xml: no such template: there are connect\.xml"
    ):
        parse_template("<Response/>", "voice.xml")


def test_a_missing_value_is_our_bug() -> None:
    with pytest.raises(BugError, match=r"apology\.xml was rendered without apology"):
        apology("<Hangup/>").render({"language": "en"})


def test_values_are_not_read_as_placeholders() -> None:
    say = body(apology("<Say>${apology} ${language}</Say>"), apology="${language}", language="fr")
    assert say[0].text == "${language} fr"


def test_values_are_escaped_by_position() -> None:
    template = apology("<Say language='${language}'>${apology}</Say>")
    values = {"language": "a\"<&\n'", "apology": "]]>\"<&'"}
    assert template.render(values).endswith(
        '<Response><Say language="a&quot;&lt;&amp;&#10;\'">]]&gt;"&lt;&amp;\'</Say></Response>'
    )


def test_an_attribute_that_is_only_a_placeholder_is_left_out_when_empty() -> None:
    template = apology("<Say language='${language}' voice='v-${language}' loop=''>x</Say>")
    assert body(template, language="")[0].attrib == {"voice": "v-", "loop": ""}


def test_what_stands_around_is_kept_and_comments_are_not() -> None:
    template = apology("<!-- ${no} -->\n <Say>\n Sorry: <![CDATA[<]]>${apology}! $5 {x}\n </Say>")
    assert template.render({"apology": "a", "language": ""}).endswith(
        "<Response><Say>Sorry: &lt;a! $5 {x}</Say></Response>"
    )


@given(st.text(), st.text())
def test_any_value_comes_back_out_of_a_parser(in_text: str, in_attribute: str) -> None:
    template = apology("<Say voice='v${language}'>${apology}</Say><Hangup/>")
    root = body(template, apology=in_text, language=in_attribute)
    say, hangup = root
    assert (say.text or "") == FORBIDDEN.sub("", in_text)
    assert say.attrib == {"voice": "v" + FORBIDDEN.sub("", in_attribute)}
    assert (hangup.tag, len(hangup)) == ("Hangup", 0)


@given(st.fixed_dictionaries({name: st.text() for name in CONNECT}))
def test_what_is_rendered_is_a_template_again(values: dict[str, str]) -> None:
    """No value can bring a verb, an attribute or an element of its own."""
    template = parse_template(
        "<Response><Connect action='${after_url}'><Stream name='${media_url}'>"
        "<Parameter name='t' value='${token}'/></Stream></Connect><Say>${apology}</Say></Response>",
        "connect.xml",
    )
    plain = {name: value.replace("$", "") for name, value in values.items()}
    rendered = template.render(plain)
    again = parse_template(rendered, "connect.xml").render(CONNECT)
    shape = [element.tag for element in ElementTree.fromstring(again).iter()]
    assert shape == ["Response", "Connect", "Stream", "Parameter", "Say"]


MARKUP = """<Response>|</Response>|<Say |<Say>|</Say>|language='|'|>|/>|${|apology|}|<!--|-->
|<![CDATA[|]]>|<!DOCTYPE|&amp;|<Connect>|<Hangup/>"""
PIECES = st.sampled_from(re.split(r"\|\s*", MARKUP))


@given(st.text() | st.lists(PIECES).map("".join))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        template = parse_template(text, "apology.xml")
    except TemplateError:
        return
    assert body(template).tag == "Response"


def twilio_s(parent: Any, child: str) -> ElementTree.Element | None:
    """What the vendor's package writes for this element with every argument given."""
    method = getattr(parent, child.lower(), None)
    if method is None:
        return None
    given = {
        name: "x"
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    return ElementTree.fromstring(method(**given).to_xml())


PAIRS = [(parent, child) for parent, verb in VERBS.items() for child in sorted(verb.children)]


@pytest.mark.parametrize(("parent", "child"), PAIRS, ids=".".join)
def test_the_table_of_verbs_is_the_vendor_s(parent: str, child: str) -> None:
    """Nesting, attributes and text are those of the `twilio` package, no less and no more."""
    if child == "Message":
        kind = messaging_response.MessagingResponse
    else:
        kind = getattr(voice_response, "VoiceResponse" if parent == "Response" else parent)
    required = len(inspect.signature(kind.__init__).parameters) - 2
    written = twilio_s(kind(*["x"] * required), child)
    assert written is not None
    assert written.tag == child
    assert written.attrib.keys() <= VERBS[child].attributes
    if (parent, child) != ("Refer", "Sip"):
        assert written.attrib.keys() == VERBS[child].attributes
    assert bool(written.text) == VERBS[child].text


def test_every_verb_of_the_table_can_be_reached() -> None:
    assert VERBS.keys() == {"Response"} | {child for _, child in PAIRS}


def test_no_top_level_verb_that_we_know_is_left_out() -> None:
    offered = {name for name in VERBS if hasattr(voice_response.VoiceResponse, name.lower())}
    # These stand in <Dial> and <Pay> only.
    assert offered - VERBS["Response"].children == {"Queue", "Prompt"}
