"""The Recordings resource: a recording is fetched, deleted, and paused while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.simulator.twilio.api_error import TwilioApiError
from gateway.simulator.twilio.call import API_VERSION
from gateway.simulator.twilio.dial_recording import DialRecording

CURRENT: Final = "Twilio.CURRENT"
_FOUND: Final = "The requested resource {path} was not found"

Recordings = Callable[[], list[tuple[str, DialRecording]]]


def routes(admit: Callable[[Request], None], recordings: Recordings) -> list[Route]:
    """Return the routes; `admit` raises for a request without the account's credentials."""

    def find(request: Request, *, complete: bool) -> DialRecording:
        admit(request)
        sid = request.path_params["recording_sid"]
        for _, one in recordings():
            if one.sid == sid and not one.deleted and (one.status == "completed" or not complete):
                return one
        raise _nothing_at(request)

    async def file(request: Request) -> Response:
        recording = find(request, complete=True)
        channels = request.query_params.get("RequestedChannels", "1")
        if channels not in ("1", "2") or (channels == "2" and not recording.dual):
            raise TwilioApiError(400, 21220, f"RequestedChannels {channels}: there are not as many")
        return Response(recording.wav(int(channels)), media_type="audio/x-wav")

    async def delete(request: Request) -> Response:
        find(request, complete=True).deleted = True
        return Response(status_code=204)

    async def update(request: Request) -> Response:
        admit(request)
        call_sid, sid = (request.path_params[name] for name in ("call_sid", "recording_sid"))
        running = [
            one
            for of, one in recordings()
            if of == call_sid and sid in (CURRENT, one.sid) and one.status != "absent"
        ]
        if not running:
            raise _nothing_at(request)
        async with request.form() as form:
            status, behaviour = str(form.get("Status", "")), str(form.get("PauseBehavior", ""))
        recording = running[-1]
        if recording.status == "completed":
            raise TwilioApiError(400, 21220, "The recording has ended")
        if status == "paused" and behaviour in ("", "silence"):
            recording.pause()
        elif status == "in-progress" and not behaviour:
            recording.resume()
        else:
            raise TwilioApiError(400, 20001, f"Status {status!r} with PauseBehavior {behaviour!r}")
        return JSONResponse({"sid": recording.sid, "status": recording.status})

    account = f"/{API_VERSION}/Accounts/{{account_sid}}"
    one = f"{account}/Recordings/{{recording_sid}}"
    running = f"{account}/Calls/{{call_sid}}/Recordings/{{recording_sid}}.json"
    return [
        Route(f"{one}.wav", file, methods=["GET"]),
        Route(f"{one}.json", delete, methods=["DELETE"]),
        Route(running, update, methods=["POST"]),
    ]


def _nothing_at(request: Request) -> TwilioApiError:
    return TwilioApiError(404, 20404, _FOUND.format(path=request.url.path))
