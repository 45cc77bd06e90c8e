"""Numbers and trunks of a simulated Twilio account, as its REST API has them.

Sources: IncomingPhoneNumbers (2010-04-01), Trunking v1. A trunk and an application exclude each
other on a number: setting one removes the other, and both switch the voice URL off.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from typing import Any, Final
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.simulator.twilio.api_error import TwilioApiError
from gateway.simulator.twilio.webhooks import Account

_NUMBER_FIELDS: Final = {
    "FriendlyName": "friendly_name",
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "TrunkSid": "trunk_sid",
    "VoiceApplicationSid": "voice_application_sid",
}
_TRUNK_FIELDS: Final = {
    "FriendlyName": "friendly_name",
    "DomainName": "domain_name",
    "Secure": "secure",
    "DisasterRecoveryUrl": "disaster_recovery_url",
    "TransferMode": "transfer_mode",
    "DisasterRecoveryMethod": "disaster_recovery_method",
    "TransferCallerId": "transfer_caller_id",
    "CnamLookupEnabled": "cnam_lookup_enabled",
}
_ORIGINATION_FIELDS: Final = ("SipUrl", "Weight", "Priority", "Enabled", "FriendlyName")
_TRANSFER_MODES: Final = frozenset({"disable-all", "enable-all", "sip-only"})
_EXCLUDES: Final = {"trunk_sid": "voice_application_sid", "voice_application_sid": "trunk_sid"}

Resource = dict[str, Any]


class Numbers:
    """One account's; `requests` are the changes that were asked for, in order."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.numbers: dict[str, Resource] = {}
        self.trunks: dict[str, Resource] = {}
        self.originations: dict[str, dict[str, Resource]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def add(self, phone_number: str, **fields: str) -> Resource:
        """A number that the account has bought."""
        number: Resource = dict.fromkeys(_NUMBER_FIELDS.values(), "")
        number |= {
            "sid": f"PN{uuid4().hex}",
            "account_sid": self.account.sid,
            "phone_number": phone_number,
            "friendly_name": phone_number,
            "voice_method": "POST",
            "trunk_sid": None,
            "voice_application_sid": None,
        }
        self.numbers[number["sid"]] = number | fields
        return self.numbers[number["sid"]]

    def app(self) -> Starlette:
        account, trunks = f"/2010-04-01/Accounts/{self.account.sid}", "/v1/Trunks"
        endpoints: list[tuple[str, str, Any]] = [
            ("GET", f"{account}.json", self._account),
            ("GET", f"{account}/IncomingPhoneNumbers.json", self._list_numbers),
            ("GET", f"{account}/IncomingPhoneNumbers/{{sid}}.json", self._number),
            ("POST", f"{account}/IncomingPhoneNumbers/{{sid}}.json", self._change_number),
            ("GET", trunks, self._list_trunks),
            ("POST", trunks, self._make_trunk),
            ("GET", f"{trunks}/{{sid}}", self._trunk),
            ("POST", f"{trunks}/{{sid}}", self._change_trunk),
            ("GET", f"{trunks}/{{sid}}/OriginationUrls", self._list_originations),
            ("POST", f"{trunks}/{{sid}}/OriginationUrls", self._make_origination),
            ("GET", f"{trunks}/{{sid}}/PhoneNumbers", self._list_attached),
            ("POST", f"{trunks}/{{sid}}/PhoneNumbers", self._attach),
        ]
        return Starlette(
            routes=[
                Route(path, self._only_for_the_account(endpoint), methods=[method])
                for method, path, endpoint in endpoints
            ],
            exception_handlers={TwilioApiError: _answer_error, 404: _not_found},
        )

    def _only_for_the_account(self, endpoint: Any) -> Any:
        async def guarded(request: Request) -> JSONResponse:
            scheme, _, coded = request.headers.get("authorization", "").partition(" ")
            expected = f"{self.account.sid}:{self.account.token}".encode()
            try:
                right = hmac.compare_digest(b64decode(coded, validate=True), expected)
            except ValueError:
                right = False
            if scheme.lower() != "basic" or not right:
                raise TwilioApiError(401, 20003, "Authenticate")
            form = {}
            if request.method == "POST":
                form = {name: str(value) for name, value in (await request.form()).multi_items()}
                self.requests.append((request.url.path, form))
            status = (
                201 if endpoint in (self._make_trunk, self._make_origination, self._attach) else 200
            )
            return JSONResponse(endpoint(request, form), status)

        return guarded

    # --- The account and its numbers ---

    def _account(self, _request: Request, _form: dict[str, str]) -> Resource:
        return {"sid": self.account.sid, "status": "active", "friendly_name": "Simulated"}

    def _list_numbers(self, request: Request, _form: dict[str, str]) -> Resource:
        wanted = request.query_params.get("PhoneNumber", "")
        found = [n for n in self.numbers.values() if wanted in n["phone_number"]]
        return {"incoming_phone_numbers": found, "page": 0, "page_size": 50, "next_page_uri": None}

    def _number(self, request: Request, _form: dict[str, str]) -> Resource:
        return _found(self.numbers, request)

    def _change_number(self, request: Request, form: dict[str, str]) -> Resource:
        number = _found(self.numbers, request)
        for name, value in form.items():
            field = _NUMBER_FIELDS.get(name)
            if field is None:
                raise TwilioApiError(400, 20001, f"Unknown parameter: {name}")
            if field.endswith("url") and value and not value.startswith(("http://", "https://")):
                raise TwilioApiError(400, 21502, f"{name} is not a valid URL: {value}")
            number[field] = value or (None if field in _EXCLUDES else "")
            if value and field in _EXCLUDES:
                number[_EXCLUDES[field]] = None
        return number

    # --- Trunks ---

    def _list_trunks(self, _request: Request, _form: dict[str, str]) -> Resource:
        return _page("trunks", self.trunks)

    def _trunk(self, request: Request, _form: dict[str, str]) -> Resource:
        return _found(self.trunks, request)

    def _make_trunk(self, _request: Request, form: dict[str, str]) -> Resource:
        trunk: Resource = dict.fromkeys(_TRUNK_FIELDS.values()) | {
            "sid": f"TK{uuid4().hex}",
            "account_sid": self.account.sid,
            "secure": False,
            "transfer_mode": "disable-all",
            "disaster_recovery_method": "POST",
        }
        _set_trunk(trunk, form)
        self.trunks[trunk["sid"]] = trunk
        return trunk

    def _change_trunk(self, request: Request, form: dict[str, str]) -> Resource:
        trunk = _found(self.trunks, request)
        _set_trunk(trunk, form)
        return trunk

    def _list_originations(self, request: Request, _form: dict[str, str]) -> Resource:
        trunk = _found(self.trunks, request)
        return _page("origination_urls", self.originations.get(trunk["sid"], {}))

    def _make_origination(self, request: Request, form: dict[str, str]) -> Resource:
        trunk = _found(self.trunks, request)
        missing = [name for name in _ORIGINATION_FIELDS if name not in form]
        if missing:
            raise TwilioApiError(400, 20001, f"Missing required parameter {missing[0]}")
        if not form["SipUrl"].startswith("sip:"):
            raise TwilioApiError(400, 21263, "Sip URL scheme must be sip")
        made = {
            "sid": f"OU{uuid4().hex}",
            "account_sid": self.account.sid,
            "trunk_sid": trunk["sid"],
            "sip_url": form["SipUrl"],
            "weight": int(form["Weight"]),
            "priority": int(form["Priority"]),
            "enabled": form["Enabled"].lower() == "true",
            "friendly_name": form["FriendlyName"],
        }
        self.originations.setdefault(trunk["sid"], {})[made["sid"]] = made
        return made

    def _list_attached(self, request: Request, _form: dict[str, str]) -> Resource:
        trunk = _found(self.trunks, request)
        attached = {s: n for s, n in self.numbers.items() if n["trunk_sid"] == trunk["sid"]}
        return _page("phone_numbers", attached)

    def _attach(self, request: Request, form: dict[str, str]) -> Resource:
        trunk = _found(self.trunks, request)
        number = self.numbers.get(form.get("PhoneNumberSid", ""))
        if number is None:
            raise TwilioApiError(404, 20404, "The requested phone number was not found")
        number |= {"trunk_sid": trunk["sid"], "voice_application_sid": None}
        return number


def _set_trunk(trunk: Resource, form: dict[str, str]) -> None:
    for name, value in form.items():
        field = _TRUNK_FIELDS.get(name)
        if field is None or (field == "transfer_mode" and value not in _TRANSFER_MODES):
            raise TwilioApiError(400, 20001, f"Invalid parameter: {name}")
        trunk[field] = (
            value.lower() == "true" if field in ("secure", "cnam_lookup_enabled") else value
        )


def _page(key: str, resources: dict[str, Resource]) -> Resource:
    meta = {"key": key, "page": 0, "page_size": 50, "next_page_url": None, "url": ""}
    return {key: list(resources.values()), "meta": meta}


def _found(resources: dict[str, Resource], request: Request) -> Resource:
    resource = resources.get(request.path_params["sid"])
    if resource is None:
        raise TwilioApiError(404, 20404, f"The requested resource {request.url.path} was not found")
    return resource


async def _answer_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TwilioApiError)
    return error.response()


async def _not_found(request: Request, _error: Exception) -> JSONResponse:
    path = request.url.path
    return TwilioApiError(404, 20404, f"The requested resource {path} was not found").response()
