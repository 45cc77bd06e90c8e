"""Numbers that answer by webhook, and trunks that go straight to the model.

Source: IncomingPhoneNumbers, Trunking v1. A trunk (or an application) on a number switches its
voice URL off, and a trunk and an application exclude each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twilio.rest import Client

from gateway.cli.provision.plan import ProvisionPlan
from gateway.errors import BugError, SettingsError

# Twilio tries twice more after any failure: the answer to a retry of a call is the same.
OVERRIDES: Final = "ct=2000&rt=4000&rc=2&rp=all"
_NUMBER_FIELDS: Final = (
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "voice_fallback_method",
    "status_callback",
    "status_callback_method",
    "sms_url",
    "sms_method",
    "trunk_sid",
    "voice_application_sid",
)
_TRUNK_FIELDS: Final = (
    "secure",
    "transfer_mode",
    "disaster_recovery_url",
    "disaster_recovery_method",
)


@dataclass(frozen=True)
class Wanted:
    """Arguments of the command line."""

    public_url: str
    numbers: Sequence[str]
    overrides: str = OVERRIDES
    fallback_url: str = ""
    messages_url: str = ""

    def webhook(self, path: str) -> str:
        fragment = f"#{self.overrides}" if self.overrides else ""
        return f"{self.public_url}{path}{fragment}"


@dataclass
class _Trunk:
    """Trunk that exists, or that a step makes before others need its sid."""

    name: str
    found: Any = None
    settings: dict[str, Any] = field(default_factory=dict)


def find(client: Client, phone_number: str) -> Any:
    """Return a number of the account. Raises SettingsError if it is another's."""
    for number in client.incoming_phone_numbers.list(phone_number=phone_number, limit=20):
        if number.phone_number == phone_number:
            return number
    raise SettingsError(f"{phone_number} is not a number of this Twilio account: buy or port it.")


def plan_webhooks(plan: ProvisionPlan, client: Client, wanted: Wanted) -> None:
    """Plan that each number asks the gateway what to do with a call."""
    then = _webhooks(wanted)
    for phone_number in wanted.numbers:
        number = find(client, phone_number)
        now = {name: getattr(number, name) for name in _NUMBER_FIELDS}
        plan.change(f"number {phone_number}", now, then, _updater(number, now, then))
        _warn_of_number(plan, phone_number, now, wanted)


def plan_unseen(plan: ProvisionPlan, wanted: Wanted, trunk: str, sip_url: str) -> None:
    """Plan as for an account of which nothing is known; the plan cannot be applied."""
    if trunk:
        plan.make(f"trunk {trunk}", _trunk_settings(wanted), _cannot_apply)
        plan.make(f"origination {sip_url}", _origination(sip_url), _cannot_apply)
    for phone_number in wanted.numbers:
        if trunk:
            plan.make(f"{phone_number} on trunk {trunk}", {}, _cannot_apply)
        else:
            then = {name: value for name, value in _webhooks(wanted).items() if value}
            plan.make(f"number {phone_number}", then, _cannot_apply)


def _cannot_apply() -> None:
    raise BugError("a plan that was made without an account was to be applied")


def _webhooks(wanted: Wanted) -> dict[str, Any]:
    """Return what a number must have to ask the gateway."""
    then: dict[str, Any] = {
        "voice_url": wanted.webhook("/twilio/voice"),
        "voice_method": "POST",
        "status_callback": f"{wanted.public_url}/twilio/status",
        "status_callback_method": "POST",
        "trunk_sid": "",
        "voice_application_sid": "",
    }
    if wanted.fallback_url:
        then |= {"voice_fallback_url": wanted.fallback_url, "voice_fallback_method": "POST"}
    if wanted.messages_url:
        then |= {"sms_url": wanted.messages_url, "sms_method": "POST"}
    return then


def _updater(number: Any, now: dict[str, Any], then: dict[str, Any]) -> Any:
    """An empty trunk or application is sent only to remove one."""
    fields = {name: value for name, value in then.items() if value or now.get(name)}
    return lambda: number.update(**fields)


def _warn_of_number(
    plan: ProvisionPlan, phone_number: str, now: dict[str, Any], wanted: Wanted
) -> None:
    if now["trunk_sid"] or now["voice_application_sid"]:
        plan.warnings.append(
            f"{phone_number} is taken off {now['trunk_sid'] or now['voice_application_sid']}, "
            "which switched its voice URL off."
        )
    if not (wanted.fallback_url or now["voice_fallback_url"]):
        plan.warnings.append(
            f"{phone_number} has no fallback: while the gateway cannot be reached, callers hear "
            "an error. Give --fallback-url an address that does not depend on it (a TwiML Bin)."
        )


def plan_trunk(
    plan: ProvisionPlan, client: Client, wanted: Wanted, name: str, sip_url: str
) -> None:
    """Plan a trunk to the model, and the numbers on it."""
    trunk = _Trunk(name, _trunk_named(client, name))
    trunk.settings = _trunk_settings(wanted)
    what = f"trunk {name}"
    if trunk.found is None:
        plan.make(what, trunk.settings, lambda: _make_trunk(client, trunk))
    else:
        now = {field: getattr(trunk.found, field) for field in _TRUNK_FIELDS}
        plan.change(what, now, trunk.settings, lambda: trunk.found.update(**trunk.settings))
    _plan_origination(plan, client, trunk, sip_url)
    for phone_number in wanted.numbers:
        _plan_attachment(plan, client, trunk, phone_number)


def _trunk_settings(wanted: Wanted) -> dict[str, Any]:
    return {
        "secure": True,
        "transfer_mode": "enable-all",
        "disaster_recovery_url": wanted.webhook("/twilio/voice"),
        "disaster_recovery_method": "POST",
    }


def _origination(sip_url: str) -> dict[str, Any]:
    return {"sip_url": sip_url, "weight": 10, "priority": 10, "enabled": True}


def _trunk_named(client: Client, name: str) -> Any:
    found = [t for t in client.trunking.v1.trunks.list() if t.friendly_name == name]
    if len(found) > 1:
        raise SettingsError(f"There are {len(found)} trunks named {name}: give each its own name.")
    return found[0] if found else None


def _make_trunk(client: Client, trunk: _Trunk) -> None:
    trunk.found = client.trunking.v1.trunks.create(friendly_name=trunk.name, **trunk.settings)


def _plan_origination(plan: ProvisionPlan, client: Client, trunk: _Trunk, sip_url: str) -> None:
    there = [] if trunk.found is None else _of(client, trunk).origination_urls.list()
    for other in there:
        if other.sip_url != sip_url:
            plan.warnings.append(f"trunk {trunk.name} also goes to {other.sip_url}: left as it is.")
    ours = next((one for one in there if one.sip_url == sip_url), None)
    if ours is not None:
        now = {"enabled": ours.enabled}
        what = f"origination {sip_url}"
        plan.change(what, now, {"enabled": True}, lambda: ours.update(enabled=True))
        return
    then = _origination(sip_url)
    plan.make(
        f"origination {sip_url}",
        then,
        lambda: _of(client, trunk).origination_urls.create(friendly_name="gateway", **then),
    )


def _plan_attachment(plan: ProvisionPlan, client: Client, trunk: _Trunk, phone_number: str) -> None:
    number = find(client, phone_number)
    what = f"{phone_number} on trunk {trunk.name}"
    if trunk.found is not None and number.trunk_sid == trunk.found.sid:
        plan.settled.append(what)
        return
    if number.voice_url:
        plan.warnings.append(
            f"{phone_number}: a trunk switches its voice URL off ({number.voice_url}); calls then "
            "go to the model by SIP, without the gateway's media streams."
        )
    plan.make(
        what,
        {"phone_number_sid": number.sid},
        lambda: _of(client, trunk).phone_numbers.create(phone_number_sid=number.sid),
    )


def _of(client: Client, trunk: _Trunk) -> Any:
    return client.trunking.v1.trunks(trunk.found.sid)
