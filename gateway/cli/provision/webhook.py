"""OpenAI's webhook endpoint, by its API, which shows the secret once: it goes to a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from openai import OpenAI
from openai.types.webhooks import WebhookEndpoint

from gateway.cli.provision.plan import ProvisionPlan
from gateway.errors import BugError, SettingsError

EVENT: Final = "realtime.call.incoming"
_LIVE: Final = "live."
_NAME: Final = "gateway"


class SecretFile:
    """File of the secret, made first: a secret that cannot be written would be lost."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def check(self) -> None:
        """Raise SettingsError unless the secret can be kept; nothing has been changed yet."""
        if self._path is None:
            raise SettingsError(
                "A webhook secret will be made, and is shown only once: say with --secret-file "
                "where it is to be kept."
            )
        if self._path.exists():
            raise SettingsError(f"{self._path} exists: move it away, or name another file.")
        if not self._path.parent.is_dir():
            raise SettingsError(f"{self._path.parent} is not a folder: make it first.")

    def keep(self, secret: str) -> None:
        self.check()
        assert self._path is not None  # noqa: S101 - checked just now
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._path, flags, 0o600), "w") as file:
            file.write(f"OPENAI_WEBHOOK_SECRET={secret}\n")


def plan_webhook(
    plan: ProvisionPlan, client: OpenAI, url: str, secret_file: SecretFile, *, rotate: bool
) -> bool:
    """Return whether a secret will be made."""
    ours = [one for one in client.webhooks.list() if one.url == url]
    if not ours:
        then = {"url": url, "event_types": EVENT}
        plan.make(f"webhook {url}", then, lambda: _create(client, url, secret_file))
        return True
    endpoint = ours[0]
    if len(ours) > 1:
        plan.warnings.append(f"{len(ours)} webhook endpoints have this address: delete the others.")
    if any(kind.startswith(_LIVE) for kind in endpoint.event_types):
        plan.warnings.append(
            "The endpoint also gets live.* events: unsubscribe, the first answer to a call wins."
        )
    _plan_events(plan, client, endpoint)
    if rotate:
        change = {"signing_secret": "a new one; the old one is good for 24 hours"}
        plan.make(f"secret of {url}", change, lambda: _rotate(client, endpoint, secret_file))
    return rotate


def plan_unseen_webhook(plan: ProvisionPlan, url: str) -> None:
    """Plan as for an account of which nothing is known; the plan cannot be applied."""

    def cannot_apply() -> None:
        raise BugError("a plan that was made without an account was to be applied")

    plan.make(f"webhook {url}", {"url": url, "event_types": EVENT}, cannot_apply)


def _plan_events(plan: ProvisionPlan, client: OpenAI, endpoint: WebhookEndpoint) -> None:
    kinds = sorted({*endpoint.event_types, EVENT})
    now = {"event_types": ", ".join(sorted(endpoint.event_types))}
    plan.change(
        f"webhook {endpoint.url}",
        now,
        {"event_types": ", ".join(kinds)},
        lambda: _subscribe(client, endpoint, kinds),
    )


def _create(client: OpenAI, url: str, secret_file: SecretFile) -> None:
    secret_file.check()
    made = client.webhooks.create(name=_NAME, url=url, event_types=[EVENT])
    secret_file.keep(made.signing_secret)


def _subscribe(client: OpenAI, endpoint: WebhookEndpoint, kinds: list[str]) -> None:
    client.webhooks.update(
        endpoint.id,
        name=endpoint.name,
        url=endpoint.url,
        event_types=kinds,  # type: ignore[arg-type] # what it has already, and ours
    )


def _rotate(client: OpenAI, endpoint: WebhookEndpoint, secret_file: SecretFile) -> None:
    secret_file.check()
    made = client.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    secret_file.keep(made.signing_secret)
