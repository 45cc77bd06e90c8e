"""Sound of a call from a browser, compared at both ends: microphone and model, model and ear."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from booth import Booth, opened, sweep
from browser import Chromium, needs_chromium
from numpy.typing import NDArray
from playwright.async_api import expect

from gateway.call import events

SCRIPT = {"speed": 50, "think_ms": 100}
WINDOW = 2_400
"""A tenth of a second at 24 kHz."""
WINDOWS_MAX = 16
"""That are compared, of each way: to look for one everywhere takes a while."""
# What a browser does for a voice would be a difference of its own.
_AS_IT_IS = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = () => ask({ audio: {
  echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1,
} });
"""
_EAR = """
window.heard = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (to === this.context.destination && this instanceof AudioWorkletNode) {
    const ear = this.context.createScriptProcessor(4096, 1, 1);
    ear.onaudioprocess = (event) => {
      heard.push(...event.inputBuffer.getChannelData(0));
      window.heard_hz = ear.context.sampleRate;
    };
    connect.call(this, ear);
    connect.call(ear, to);
  }
  return connect.call(this, to, ...more);
};
"""
_HEARD = "() => new Uint8Array(Float32Array.from(heard).buffer).toBase64()"

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]


def likenesses(heard: NDArray[np.float64], sound: NDArray[np.float64]) -> list[float]:
    """Of windows of what is heard: the largest normalized cross-correlation with any place."""
    pieces = [heard[at : at + WINDOW] for at in range(0, len(heard) - WINDOW, WINDOW)]
    loud = [piece for piece in pieces if np.abs(piece).mean() > 100]
    length = 2 ** int(np.ceil(np.log2(len(sound) + WINDOW)))
    spectrum = np.fft.rfft(sound, length)
    energy = np.cumsum(np.concatenate([[0.0], sound**2]))
    found = []
    for window in loud[:: len(loud) // WINDOWS_MAX + 1]:
        own = np.sum(window**2)
        products = np.fft.irfft(spectrum * np.conj(np.fft.rfft(window, length)), length)
        energies = np.maximum(energy[WINDOW:] - energy[:-WINDOW], 0.01 * own)
        found.append((products[: len(energies)] / np.sqrt(energies * own)).max())
    return sorted(map(float, found))


def resampled(sound: NDArray[np.float64], hz: int) -> NDArray[np.float64]:
    """The same at 24 kHz."""
    length = len(sound) * 24_000 // hz
    spectrum = np.fft.rfft(sound)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * length / len(sound)


@dataclass(frozen=True)
class Sounds:
    """Of one call, all at 24 kHz: in the model's session, on the wire, out of the browser."""

    up: NDArray[np.float64]
    sent: NDArray[np.float64]
    played: NDArray[np.float64]


async def call(booth: Booth) -> Sounds:
    """A call of some seconds."""
    received: list[dict[str, Any]] = []
    page = await booth.browser.new_page(reduced_motion="reduce")
    try:
        for script in (_AS_IT_IS, _EAR):
            await page.add_init_script(script)
        page.on(
            "websocket",
            lambda socket: socket.on(
                "framereceived", lambda text: received.append(json.loads(text))
            ),
        )
        await page.goto(await booth.link("still"))
        await page.get_by_role("button", name="Call").click()
        await expect(page.locator("#lines li.agent").first).to_contain_text("Hello")
        (driver,) = booth.model.drivers.values()
        await page.wait_for_function("() => heard.length / heard_hz > 4", polling=200)
        up = bytes(driver.session._listener._buffer._audio)
        heard = b64decode(await page.evaluate(_HEARD))
        played = np.frombuffer(heard, np.float32).astype(float) * 32768
        hz = await page.evaluate("heard_hz")
        await page.get_by_role("button", name="Hang up").click()
        await booth.rig.note(events.CallEnded)
    finally:
        await page.close()
    sent = b"".join(b64decode(m["media"]["payload"]) for m in received if m["event"] == "media")
    return Sounds(_samples(up), _samples(sent), resampled(played, hz))


def _samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, np.int16).astype(float)


async def test_sound_is_the_same_at_both_ends(tmp_path: Path, chromium: Chromium) -> None:
    """The better windows of it: a browser on a machine under load loses a moment now and then."""
    spoken = sweep(chromium.microphone)
    async with opened(tmp_path, chromium, SCRIPT) as booth:
        sounds = await call(booth)
    up = likenesses(sounds.up, np.tile(spoken, 2))
    assert len(up) >= 4
    assert up[len(up) * 3 // 4] > 0.98
    down = likenesses(sounds.sent, sounds.played)
    assert down[len(down) * 3 // 4] > 0.98
