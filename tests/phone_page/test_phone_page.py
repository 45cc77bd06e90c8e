"""The browser telephone in Chromium, in calls that really run.

Its pictures are left in out/phone-page.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from booth import AUTHORIZED, SPOKEN_HZ, Booth, microphone, opened
from browser import Chromium, needs_chromium, photograph
from numpy.typing import NDArray
from pictures import photo
from playwright.async_api import Page, expect

from gateway.audio.g711 import mulaw_to_pcm, pcm_to_mulaw
from gateway.call import events as notes
from gateway.call.endings import Ending

PICTURES = Path(__file__).parents[2] / "out" / "phone-page"
TALE = "Let me tell you of the harbour, of the people there and of their lighthouse."
SCRIPT = {"speed": 500, "think_ms": 100, "turns": [[{"say": TALE}]] * 20}

SPOKEN = re.compile("^(Hello|Let me tell you)")
"""How the agent begins: with its greeting, unless the tone in the microphone came before."""

pytestmark = [
    needs_chromium,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def booth(
    tmp_path_factory: pytest.TempPathFactory, chromium: Chromium
) -> AsyncIterator[Booth]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    microphone(chromium.microphone)
    async with opened(tmp_path_factory.mktemp("phone-page"), chromium, SCRIPT) as running:
        yield running


def sent_by(page: Page) -> list[dict[str, Any]]:
    """What the page says to the gateway, as it says it."""
    messages: list[dict[str, Any]] = []

    def on_socket(socket: Any) -> None:
        socket.on("framesent", lambda frame: messages.append(json.loads(frame)))

    page.on("websocket", on_socket)
    return messages


def purity_db(pcm: bytes, hz: float, rate: int) -> float:
    """How far a tone stands above all else, in a piece of sound."""
    x = np.frombuffer(pcm, np.int16).astype(float)
    power = np.abs(np.fft.rfft(x * np.blackman(len(x)))) ** 2
    at = round(hz * len(x) / rate)
    tone = power[at - 3 : at + 4].sum()
    return float(10 * np.log10(tone / (power.sum() - tone)))


async def test_a_whole_call(booth: Booth) -> None:
    async with booth.visit(await booth.link()) as visit:
        page, sent = visit.page, sent_by(visit.page)
        await expect(page.locator("#agent")).to_have_text("desk")
        await expect(page.locator("#status")).to_contain_text(
            "Speaks English. The link works until"
        )
        await photograph(page, PICTURES / "ready-light.png")
        call_sid = await booth.begin(page)
        await expect(page.locator("#status")).to_have_text("On the line.")
        await booth.rig.note(notes.TurnMeasured, of=call_sid)
        await expect(page.locator("#wait")).to_contain_text(" s")
        await expect(page.locator("#lines li.agent").first).to_contain_text(SPOKEN)
        await expect(page.locator("#lines li.agent small").first).to_contain_text("after ")
        await photograph(page, PICTURES / "words-light.png")
        await page.get_by_role("button", name="Keypad").click()
        await page.get_by_role("button", name="5").click()
        await page.keyboard.press("#")
        await page.emulate_media(color_scheme="dark")
        await photograph(page, PICTURES / "talking-dark.png")
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.locator("#status")).to_have_text("You hung up.")
        ended = await booth.rig.note(notes.CallEnded, of=call_sid)
        assert ended.ending is Ending.CALLER_HUNG_UP
        await photograph(page, PICTURES / "over-dark.png")
    assert visit.wrong == []
    check(sent)
    record = (await booth.rig.client.get(f"/api/calls/{call_sid}", headers=AUTHORIZED)).json()
    assert (record["path"], record["caller"]) == ("browser", "...")
    assert record["turns"] >= 1


def check(sent: list[dict[str, Any]]) -> None:
    """As Twilio would say it; and what was spoken into the microphone is in it."""
    events = [message["event"] for message in sent]
    assert events[:2] == ["connected", "start"]
    assert events[-1] == "stop"
    assert "mark" in events
    assert [m["dtmf"]["digit"] for m in sent if m["event"] == "dtmf"] == ["5", "#"]
    numbers = [int(message["sequenceNumber"]) for message in sent[1:]]
    assert numbers == list(range(1, len(sent)))
    media = [message["media"] for message in sent if message["event"] == "media"]
    assert [one["timestamp"] for one in media] == [str(20 * n) for n in range(len(media))]
    frames = [b64decode(one["payload"]) for one in media]
    assert {len(frame) for frame in frames} == {960}
    pcm = b"".join(frames)
    pieces = [pcm[at : at + 9600] for at in range(0, len(pcm) - 9600, 4800)]
    spoken = [purity_db(piece, SPOKEN_HZ, 24_000) for piece in pieces if any(piece)]
    assert max(spoken) > 20


async def test_the_agent_cannot_transfer_a_browser_call_and_hangs_up(booth: Booth) -> None:
    async with booth.visit(await booth.link()) as visit:
        call_sid = await booth.begin(visit.page)
        await booth.rig.note(notes.FirstAudioSent, of=call_sid)
        asked = await booth.rig.client.post(
            f"/api/calls/{call_sid}/transfer", json={"to": "anna"}, headers=AUTHORIZED
        )
        assert asked.status_code == 202
        tried = await booth.rig.note(notes.TransferAttempted, of=call_sid)
        assert tried.outcome == "refused"
        asked = await booth.rig.client.post(f"/api/calls/{call_sid}/hangup", headers=AUTHORIZED)
        assert asked.status_code == 202
        await expect(visit.page.locator("#status")).to_have_text("An operator ended the call.")
        ended = await booth.rig.note(notes.CallEnded, of=call_sid)
        assert ended.ending is Ending.OPERATOR_HUNG_UP
        await expect(visit.page.get_by_role("button", name="Call again")).to_be_enabled()
    assert visit.wrong == []


async def test_a_second_call_where_one_is_taken(booth: Booth) -> None:
    link = await booth.link("narrow")
    async with booth.visit(link) as first, booth.visit(link) as second:
        await booth.begin(first.page)
        await second.page.get_by_role("button", name="Call").click()
        await expect(second.page.locator("#status")).to_contain_text("as many calls as it takes")
        await expect(second.page.get_by_role("button", name="Call again")).to_be_enabled()


async def test_two_clicks_are_one_call_and_a_page_that_is_closed_ends_it(booth: Booth) -> None:
    before = len(booth.rig.said(notes.CallerConnected))
    async with booth.visit(await booth.link()) as visit:
        await visit.page.get_by_role("button", name="Call").dblclick()
        await expect(visit.page.locator("#status")).to_have_text("On the line.")
        (*_, call) = booth.rig.gateway.registry.calls
    await booth.rig.note(notes.CallEnded, of=call.facts.call_sid)
    assert len(booth.rig.said(notes.CallerConnected)) == before + 1


async def test_a_microphone_that_is_pulled_out_ends_the_call(booth: Booth) -> None:
    async with booth.visit(await booth.link()) as visit:
        await visit.page.evaluate(_KEEP_MICROPHONE)
        call_sid = await booth.begin(visit.page)
        await visit.page.evaluate("microphone.dispatchEvent(new Event('ended'))")
        await expect(visit.page.locator("#status")).to_have_text("The microphone is gone.")
        await booth.rig.note(notes.CallEnded, of=call_sid)


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (
            "navigator.mediaDevices.getUserMedia = () => Promise.reject("
            "new DOMException('', 'NotAllowedError'))",
            "allow it for this page",
        ),
        (
            "AudioContext.prototype.createMediaStreamSource = () => { throw new Error('rate') }",
            "This browser cannot make the call.",
        ),
        (
            "AudioWorklet.prototype.addModule = () => Promise.reject(new Error('gone'))",
            "This browser cannot make the call.",
        ),
    ],
)
async def test_a_browser_that_cannot_leaves_no_call_and_no_open_microphone(
    booth: Booth, breaks: str, said: str
) -> None:
    async with booth.visit(await booth.link()) as visit:
        await visit.page.evaluate(_KEEP_MICROPHONE)
        await visit.page.evaluate(f"() => {{ {breaks}; }}")
        before = len(booth.rig.said(notes.CallerConnected))
        await visit.page.get_by_role("button", name="Call").click()
        await expect(visit.page.locator("#status")).to_contain_text(said)
        still_open = "() => window.microphone?.readyState === 'live'"
        assert not await visit.page.evaluate(still_open)
        await expect(visit.page.get_by_role("button", name="Call again")).to_be_enabled()
        assert len(booth.rig.said(notes.CallerConnected)) == before


_KEEP_MICROPHONE = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    window.microphone = stream.getTracks()[0];
    return stream;
  };
}"""


async def test_another_link_in_the_same_window(booth: Booth) -> None:
    """One in a language that browsers do not know, one that is none, and one cut off."""
    async with booth.visit(await booth.link("dialect")) as visit:
        status, button = visit.page.locator("#status"), visit.page.locator("button#call")
        await expect(status).to_contain_text("Speaks zh-yue.")
        await expect(button).to_be_enabled()
        for fragment, said in (("a.b", "not one of ours"), ("", "copy the whole of it")):
            await visit.page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
            await expect(status).to_contain_text(said)
            await expect(button).to_be_disabled()


MOST = 10_000
"""Of a telephone line's bytes: what is rendered at the end may still be on its way."""
# Bytes go in and out of the page as base64: of each number by itself Playwright makes an object,
# and checks it on both sides.
LINE = """async ({spoken, sent, sound, rate, most}) => {
  const context = new OfflineAudioContext(1, 1.6 * rate, rate), processorOptions = {sound};
  await context.audioWorklet.addModule("/phone/line.js");
  const line = new AudioWorkletNode(context, "line", {processorOptions});
  const other = new AudioWorkletNode(context, "line");
  const frames = [];
  let name = "";
  const enough = new Promise((done) => line.port.onmessage = ({data}) => {
    if (data.frame) frames.push(...data.frame);
    if (data.heard) name = data.heard;
    if (name && frames.length >= most) done();
  });
  line.port.postMessage({sound: Uint8Array.fromBase64(sent)});
  line.port.postMessage({mark: "the end"});
  // What is rendered at once reads no messages: the other one tells that these were read.
  await new Promise((done) => {
    other.port.onmessage = done;
    other.port.postMessage({mark: "read"});
  });
  const tone = new OscillatorNode(context, {frequency: spoken});
  tone.connect(new GainNode(context, {gain: 0.3})).connect(line).connect(context.destination);
  tone.start();
  const played = (await context.startRendering()).getChannelData(0);
  await enough;
  return {
    name,
    frames: Uint8Array.from(frames).toBase64(),
    played: new Uint8Array(played.buffer).toBase64(),
  };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def renderer(booth: Booth) -> AsyncIterator[Page]:
    """A page in which each line has a context of its own."""
    async with booth.visit(booth.rig.url + "/phone") as visit:
        yield visit.page


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000])
async def test_telephone_sound_goes_both_ways_as_it_is(renderer: Page, rate: int) -> None:
    """Whatever rate the browser has: two tones, and what the way adds to them."""
    at = np.arange(8000) / 8000
    heard = pcm_to_mulaw((10_000 * np.sin(2 * np.pi * 1500 * at)).astype(np.int16).tobytes())
    line = await rendered(renderer, sound="mulaw", spoken=700, sent=heard, rate=rate)
    up = np.frombuffer(mulaw_to_pcm(line.frames[4000:MOST]), np.int16)
    assert purity_db(up.tobytes(), 700, 8000) > 34  # mu-law by itself leaves 38
    assert np.abs(up).max() == pytest.approx(0.3 * 32768, rel=0.03)
    played = line.played[rate // 4 : 3 * rate // 4]
    assert purity_db(played.tobytes(), 1500, rate) > 34
    assert np.abs(played).max() == pytest.approx(10_000, rel=0.03)


@pytest.mark.parametrize("rate", [48_000, 44_100, 24_000, 16_000])
async def test_full_sound_goes_both_ways_as_it_is(renderer: Page, rate: int) -> None:
    """Beyond what a telephone carries, and with nothing added that could be heard."""
    at = np.arange(24_000) / 24_000
    heard = (10_000 * np.sin(2 * np.pi * 6500 * at)).astype(np.int16).tobytes()
    line = await rendered(renderer, sound="pcm", spoken=5500, sent=heard, rate=rate)
    up = np.frombuffer(line.frames[24_000 : 6 * MOST], np.int16)
    assert purity_db(up.tobytes(), 5500, 24_000) > 70
    assert np.abs(up).max() == pytest.approx(0.3 * 32768, rel=0.03)
    played = line.played[rate // 4 : 3 * rate // 4]
    assert purity_db(played.tobytes(), 6500, rate) > 70
    assert np.abs(played).max() == pytest.approx(10_000, rel=0.04)


async def test_what_no_telephone_carries_does_not_come_back_as_something_else(
    renderer: Page,
) -> None:
    """Five kilohertz would be heard as three."""
    line = await rendered(renderer, sound="mulaw", spoken=5000, sent=b"\xff", rate=48_000)
    up = np.frombuffer(mulaw_to_pcm(line.frames[4000:MOST]), np.int16)
    assert np.abs(up).max() < 0.3 * 32768 * 10 ** (-60 / 20) + 8


@dataclass(frozen=True)
class Rendered:
    """What a line sent up, as its frames' bytes, and what it played, at the browser's rate."""

    frames: bytes
    played: NDArray[np.int16]


async def rendered(page: Page, *, sound: str, spoken: int, sent: bytes, rate: int) -> Rendered:
    """What the line makes of a tone that is spoken, and of sound that was sent."""
    most = MOST * (6 if sound == "pcm" else 1)
    given = {"sound": sound, "spoken": spoken, "rate": rate, "most": most}
    made = await page.evaluate(LINE, given | {"sent": b64encode(sent).decode()})
    played = np.frombuffer(b64decode(made["played"]), np.float32) * 32767
    return Rendered(b64decode(made["frames"]), np.rint(played).astype(np.int16))


# --- What happens on the way ---


async def test_a_connection_that_breaks_is_opened_again_in_the_same_conversation(
    booth: Booth,
) -> None:
    async with booth.visit(await booth.link()) as visit:
        page = visit.page
        call_sid = await booth.begin(page)
        await expect(page.locator("#lines li.agent").first).to_contain_text(SPOKEN)
        (*_, call) = booth.rig.gateway.registry.calls
        before = len(booth.rig.said(notes.CallerConnected))
        call.media.transport.abort()
        await booth.rig.note(notes.CallerConnected, before + 1)
        await expect(page.locator("#status")).to_have_text("On the line.")
        (*_, again) = booth.rig.gateway.registry.calls
        assert again.facts.call_sid == call_sid
        assert again.machine.resumed
        await expect(page.locator("#lines li.agent").first).to_contain_text(SPOKEN)
        await page.get_by_role("button", name="Hang up").click()
    ended = await booth.rig.note(notes.CallEnded, 2, of=call_sid)
    assert ended.ending is Ending.CALLER_HUNG_UP


async def test_sound_that_was_taken_away_for_a_while_goes_on(booth: Booth) -> None:
    """As when a telephone call comes in: the browser sends nothing, and the line counts as dead."""
    async with booth.visit(await booth.link()) as visit:
        page = visit.page
        await page.evaluate(_KEEP_CONTEXT)
        await booth.begin(page)
        before = len(booth.rig.said(notes.CallerConnected))
        await page.evaluate(
            "() => { line_context.resume = async () => {}; line_context.suspend(); }"
        )
        await expect(page.locator("#status")).to_contain_text("Tap here to go on")
        await page.evaluate("() => { delete line_context.resume; }")
        await page.locator("#status").click()
        await booth.rig.note(notes.CallerConnected, before + 1)
        await expect(page.locator("#status")).to_have_text("On the line.")


_KEEP_CONTEXT = """() => {
  const Context = window.AudioContext;
  window.AudioContext = class extends Context {
    constructor(options) { super(options); window.line_context = this; }
  };
}"""


async def test_a_picture_that_is_dropped_is_shown_to_the_agent(booth: Booth) -> None:
    async with booth.visit(await booth.link()) as visit:
        page = visit.page
        call_sid = await booth.begin(page)
        await booth.rig.note(notes.FirstAudioSent, of=call_sid)
        await page.evaluate(_DROP, b64encode(photo(2400, 1800)).decode())
        sent = await booth.rig.note(notes.PictureSent, of=call_sid)
        assert sent.source == "page"
        await expect(page.locator("#lines img")).to_be_visible()
        await photograph(page, PICTURES / "picture.png")
        # The model may thank for it in words; the note for its next session is not shown.
        await expect(page.locator("#lines li.caller", has_text="picture")).to_have_count(0)
        await page.evaluate(_DROP, b64encode(b"this is no picture").decode())
        await expect(page.locator("#status")).to_contain_text("no picture that can be shown")
    assert visit.wrong == []


_DROP = """(bytes) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.fromBase64(bytes)], "part.jpg", { type: "image/jpeg" }));
  for (const kind of ["dragover", "drop"]) {
    const how = { dataTransfer: data, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent(kind, how));
  }
}"""


async def test_all_of_it_is_on_the_screen(booth: Booth) -> None:
    async with booth.visit(await booth.link(), device_scale_factor=1) as visit:
        page, hang_up = visit.page, visit.page.get_by_role("button", name="Hang up")
        await booth.begin(page)
        await expect(page.locator("#lines li.agent").first).to_contain_text(SPOKEN)
        for width in (1280, 390):
            await page.set_viewport_size({"width": width, "height": 844})
            for keypad in ("shown", "hidden"):
                await page.get_by_role("button", name="Keypad").click()
                await photograph(page, PICTURES / f"keypad-{keypad}-{width}.png")
                await expect(hang_up).to_be_in_viewport(ratio=1)
                wide = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                assert wide, "nothing stands out at the side"


# --- In the page of another site ---

SITE_PAGE = """<!doctype html><meta charset="utf-8"><title>Shop</title>
<script src="{home}/phone/embed.js" async></script>
<body style="font-family: system-ui; background: #eef">
<h1>A shop</h1><p>Tea, and all that goes with it.</p>
<gateway-phone link="/talk-to-us" label="Talk to us"></gateway-phone>
"""


async def open_shop(booth: Booth, page: Page) -> None:
    """A page with a strict policy; the site's own server has a link made."""
    home = booth.rig.url
    policy = (
        f"default-src 'none'; script-src {home}; frame-src {home}; connect-src 'self'; "
        "style-src 'unsafe-inline'"
    )
    html = {"Content-Type": "text/html", "Content-Security-Policy": policy}
    booth.site.seen.clear()
    booth.site.answers["/shop"] = (200, html, SITE_PAGE.format(home=home).encode())
    link = json.dumps({"url": await booth.link()}).encode()
    booth.site.answers["/talk-to-us"] = (200, {"Content-Type": "application/json"}, link)
    await page.goto(f"{booth.site_url}/shop")


async def test_a_site_has_the_phone_in_its_page(booth: Booth) -> None:
    page = await booth.browser.new_page(viewport={"width": 390, "height": 844})
    try:
        await open_shop(booth, page)
        await page.evaluate(_STATES)
        await page.get_by_role("button", name="Talk to us").click()
        frame = page.frame_locator("iframe")
        await expect(frame.locator("#agent")).to_have_text("desk")
        before = len(booth.rig.said(notes.CallerConnected))
        await frame.get_by_role("button", name="Call").click()
        await booth.rig.note(notes.CallerConnected, before + 1)
        await expect(frame.locator("#lines li.agent").first).to_contain_text(SPOKEN)
        await photograph(page, PICTURES / "site-390.png")
        await page.set_viewport_size({"width": 1280, "height": 844})
        await photograph(page, PICTURES / "site-1280.png")
        ended = len(booth.rig.said(notes.CallEnded))
        await page.get_by_role("button", name="Close").click()
        await booth.rig.note(notes.CallEnded, ended + 1)
        asked = [(one.method, one.raw_path) for one in booth.site.seen]
        assert [one for one in asked if one[1] != "/favicon.ico"] == [
            ("GET", "/shop"),
            ("POST", "/talk-to-us"),
        ]
        assert (await page.evaluate("states"))[-3:] == ["ready", "calling", "talking"]
    finally:
        await page.close()


NO_LINK = [
    (503, b"{}"),
    (200, b"<html>"),
    (200, b"{}"),
    (200, b'{"url": 7}'),
    (200, b'{"url": "https://elsewhere.example/phone#abc"}'),
    (302, b""),
]


async def test_a_site_that_makes_no_link_says_so_and_opens_nothing(booth: Booth) -> None:
    page = await booth.browser.new_page()
    try:
        await open_shop(booth, page)
        headers = {"Content-Type": "application/json", "Location": "https://elsewhere.example/"}
        for status, body in NO_LINK:
            booth.site.answers["/talk-to-us"] = (status, headers, body)
            # A click takes away what was said before.
            await page.get_by_role("button", name="Talk to us").click()
            await expect(page.get_by_role("alert")).to_have_text(
                "The call cannot be made at the moment."
            )
            await expect(page.get_by_role("button", name="Talk to us")).to_be_enabled()
            assert await page.locator("iframe").count() == 0, body
        asked = [one.raw_path for one in booth.site.seen]
        assert asked.count("/talk-to-us") == len(NO_LINK)
    finally:
        await page.close()


_STATES = """() => {
  window.states = [];
  document.addEventListener("state", (event) => states.push(event.detail));
}"""


async def test_a_site_that_is_not_named_cannot_show_it(booth: Booth) -> None:
    page = await booth.browser.new_page()
    frame = f'<iframe src="{await booth.link()}" allow="microphone"></iframe>'
    booth.site.answers["/frame"] = (200, {"Content-Type": "text/html"}, frame.encode())
    try:
        async with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
            await page.goto(f"{booth.site.url}/frame")  # 127.0.0.1 is not localhost
    finally:
        await page.close()
