"""The folder of templates: the shipped one, and one of the operator's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway import limits
from gateway.agents.texts.spoken import spoken_phrases
from gateway.agents.texts.templates import DEFAULT_TWIML_DIR, load_templates
from gateway.errors import BugError, TemplateError
from gateway.protocols.twiml import PLACEHOLDERS

SHIPPED = Path(__file__).parents[3] / "twiml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_TWIML_DIR, tmp_path / "twiml"))


def test_the_package_carries_the_top_level_folder() -> None:
    shipped = {path.name: path.read_bytes() for path in SHIPPED.iterdir()}
    assert {path.name: path.read_bytes() for path in DEFAULT_TWIML_DIR.iterdir()} == shipped
    assert shipped.keys() == PLACEHOLDERS.keys()


def test_a_call_is_connected() -> None:
    french = spoken_phrases("fr-CA")
    assert load_templates(None).render(
        "connect.xml",
        after_url="https://gw.example.com/twilio/after",
        media_url="wss://gw.example.com/twilio/media",
        stream_status_url="https://gw.example.com/twilio/stream-status",
        token="t0ken",
        apology=french.apology,
        language=french.language,
    ) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Response><Connect action="https://gw.example.com/twilio/after" method="POST">'
        '<Stream url="wss://gw.example.com/twilio/media" '
        'statusCallback="https://gw.example.com/twilio/stream-status" statusCallbackMethod="POST">'
        '<Parameter name="token" value="t0ken"/></Stream></Connect>'
        '<Say language="fr-FR">Nous sommes désolés, un problème est survenu de notre côté. '
        "Merci de rappeler dans quelques instants.</Say><Hangup/></Response>"
    )


def test_a_call_that_is_not_taken() -> None:
    templates = load_templates(None)
    assert templates.render("busy.xml").endswith('<Response><Reject reason="busy"/></Response>')
    assert templates.render("hangup.xml").endswith("<Response><Hangup/></Response>")
    assert templates.render("unavailable.xml", unavailable="No.", language="en-US").endswith(
        '<Response><Say language="en-US">No.</Say><Hangup/></Response>'
    )


def test_every_value_must_be_given() -> None:
    with pytest.raises(BugError, match="without language"):
        load_templates(None).render("apology.xml", apology="Sorry.")


def test_an_operator_s_folder(folder: Path) -> None:
    (folder / "busy.xml").write_text("<Response><Say>Tut tut.</Say></Response>")
    (folder / ".DS_Store").write_bytes(b"\x00")
    assert "Tut tut." in load_templates(folder).render("busy.xml")


def test_a_folder_must_be_whole(folder: Path) -> None:
    (folder / "hangup.xml").unlink()
    with pytest.raises(TemplateError, match=r"hangup\.xml must be in this folder too"):
        load_templates(folder)


def test_an_unknown_name_is_refused(folder: Path) -> None:
    (folder / "conect.xml").write_text("<Response/>")
    with pytest.raises(TemplateError, match=r"conect\.xml: no such template: there are connect"):
        load_templates(folder)


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"<Response>\n<Oops/></Response>", 2, "no such verb"),
        (b"<Response>\n<!-- \xff --></Response>", 2, "is not UTF-8"),
        (b" " * (limits.agents.TEMPLATE_MAX_BYTES + 1), None, "is larger than 65536 bytes"),
    ],
)
def test_a_bad_file_is_named(folder: Path, content: bytes, line: int | None, problem: str) -> None:
    (folder / "busy.xml").write_bytes(content)
    with pytest.raises(TemplateError) as refused:
        load_templates(folder)
    assert (refused.value.file, refused.value.line) == (str(folder / "busy.xml"), line)
    assert refused.value.problem == problem


def test_a_byte_order_mark_is_no_matter(folder: Path) -> None:
    (folder / "busy.xml").write_bytes(b"\xef\xbb\xbf<Response/>")
    assert load_templates(folder).render("busy.xml").endswith("<Response/>")


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot be read: No such file"):
        load_templates(tmp_path / "none")


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("en", "en-US"), ("EN-gb", "en-US"), ("fr", "fr-FR"), ("ar-EG", "ar-XA"), ("ja", "en-US")],
)
def test_phrases_by_language(language: str, spoken: str) -> None:
    assert spoken_phrases(language).language == spoken
