"""Messages at the carrier: kept behind the account's password, refused, and delivered."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from pictures import GPS_INFO, ORIENTATION
from PIL import Image

from gateway.errors import ScenarioError
from gateway.simulator.caller.handset import generated_photo
from gateway.simulator.scenario.files import load
from gateway.simulator.scenario.steps import GENERATED
from gateway.simulator.twilio.messaging import Medium
from gateway.simulator.twilio.rest_api import TwilioApi, listening
from gateway.simulator.twilio.webhooks import Account

ACCOUNT = Account("AC" + "3" * 32, "secret")
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT.sid}/Messages.json"
GOOD = {"From": "+15550100", "To": "+15550199", "Body": "Hello."}


@pytest.fixture
async def api() -> AsyncIterator[tuple[TwilioApi, httpx2.AsyncClient]]:
    api = TwilioApi(ACCOUNT)
    async with (
        listening(api.app(), 0) as url,
        httpx2.AsyncClient(
            verify=False, base_url=url, auth=(ACCOUNT.sid, ACCOUNT.token), trust_env=False
        ) as client,
    ):
        yield api, client


async def test_a_text_is_taken_and_kept(api):
    carrier, client = api
    answer = await client.post(MESSAGES, data=GOOD)
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["direction"]) == ("queued", "outbound-api")
    assert [text.body for text in carrier.messaging.to("+15550199")] == ["Hello."]
    assert carrier.messaging.to("+15550100") == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"To": "anonymous"}, 21211),
        ({"From": "desk"}, 21212),
        ({"To": "+15550100"}, 21266),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
    ],
)
async def test_what_twilio_refuses(api, wrong, code):
    carrier, client = api
    answer = await client.post(MESSAGES, data=GOOD | wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert carrier.messaging.texts == []


async def test_media_are_for_the_account_only_and_lie_behind_a_redirect(api):
    carrier, client = api
    path = carrier.messaging.store("MM" + "1" * 32, Medium(b"bytes", "image/jpeg"))
    stranger = await client.get(path, auth=("AC" + "3" * 32, "guess"))
    assert stranger.status_code == 401
    redirect = await client.get(path)
    assert redirect.status_code == 307
    found = await client.get(redirect.headers["location"], auth=None)
    assert (found.content, found.headers["content-type"]) == (b"bytes", "image/jpeg")
    assert (await client.get(redirect.headers["location"])).status_code == 403, "good for once"
    assert (await client.get(path + "0")).status_code == 404


def test_the_photo_that_is_made_up_tells_its_place():
    exif = Image.open(io.BytesIO(generated_photo())).getexif()
    assert exif[ORIENTATION] == 6
    assert exif.get_ifd(GPS_INFO)


def test_steps_with_photos(tmp_path: Path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "name: x\nsteps:\n  - text\n  - text: {body: hello}\n  - text: {photo: a.jpg}\n"
        "  - text: {photos: [a.jpg, generated]}\n  - open_link\n  - open_link: {photo: b.png}\n"
    )
    steps = load(file).steps
    assert [step.photos for step in steps] == [
        [GENERATED],
        [],
        [tmp_path / "a.jpg"],
        [tmp_path / "a.jpg", GENERATED],
        [GENERATED],
        [tmp_path / "b.png"],
    ]
    file.write_text("name: x\nsteps:\n  - text: {foto: a.jpg}\n")
    with pytest.raises(ScenarioError) as caught:
        load(file)
    assert (caught.value.line, caught.value.key) == (3, "steps.1.text.foto")
