"""Secret input of a call while the carrier takes it: which one, for whom, and how often tried.

What is typed is never in here. Sources: Twilio docs "TwiML Voice: <Gather>", "<Pay>".
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.secret_input import Payment, SecretDigits, SecretKind
from gateway.agents.texts.spoken import spoken_phrases
from gateway.bridge.calls.running_call import RunningCall
from gateway.call.commands import CollectSecret
from gateway.errors import BugError
from gateway.ops.store.shared import Store
from gateway.ops.store.values import readable
from gateway.protocols.twilio_webhooks import RETRIED
from gateway.web.twilio.twiml_documents import TwimlDocuments

_PAY_LANGUAGES: Final = frozenset({"en-US", "fr-FR"})
"""Of the gateway's, those that `<Pay>` speaks; for any other it takes its own default."""


class SecretEntry(msgspec.Struct, array_like=True):
    """One secret input that is under way."""

    nonce: str
    """Stands in the address that Twilio requests: an older one is not this one."""
    agent: str
    kind: SecretKind
    name: str
    language: str
    attempts: int = 1


class SecretEntries:
    """Secret inputs that are under way, by CallSid, and the documents that take them."""

    def __init__(self, public_url: str, documents: TwimlDocuments, store: Store) -> None:
        self._public_url, self._documents, self._store = public_url, documents, store

    async def begin(self, call: RunningCall, secret: CollectSecret) -> str:
        """Return the document into which the caller of a running call types."""
        machine = call.machine
        nonce = secrets.token_urlsafe(16)
        entry = SecretEntry(nonce, machine.agent.name, secret.kind, secret.name, machine.language)
        await self._put(call.facts.call_sid, entry)
        return self.document(machine.agent, entry)

    async def again(self, call_sid: str, entry: SecretEntry, agent: Agent) -> str:
        """Return the document for one more attempt."""
        entry.attempts += 1
        await self._put(call_sid, entry)
        return self.document(agent, entry)

    def document(self, agent: Agent, entry: SecretEntry) -> str:
        """Return the document that takes this input."""
        wanted = agent.secret_input(entry.kind, entry.name)
        url = f"{self._public_url}/twilio/{_PATHS[entry.kind]}?entry={entry.nonce}{RETRIED}"
        if isinstance(wanted, SecretDigits):
            return self._digits(wanted, entry, url)
        if isinstance(wanted, Payment):
            return self._payment(wanted, entry, url)
        raise BugError(f"no secret input {entry.name} of agent {agent.name}")

    def _digits(self, wanted: SecretDigits, entry: SecretEntry, url: str) -> str:
        phrases = spoken_phrases(entry.language)
        ask = wanted.ask or phrases.type_now
        return self._documents.render(
            "secret-digits.xml",
            entry.language,
            ask=ask if entry.attempts == 1 else f"{phrases.type_again} {ask}",
            digits="" if wanted.digits is None else str(wanted.digits),
            digits_url=url,
            key_wait_s=str(wanted.key_wait_s),
        )

    def _payment(self, wanted: Payment, entry: SecretEntry, url: str) -> str:
        spoken = spoken_phrases(entry.language).language
        return self._documents.render(
            "payment.xml",
            entry.language,
            attempts=str(wanted.attempts),
            connector=wanted.connector,
            key_wait_s=str(wanted.key_wait_s),
            pay_language=spoken if spoken in _PAY_LANGUAGES else "",
            payment_url=url,
            postal_code=_flag(wanted.postal_code),
            security_code=_flag(wanted.security_code),
            token_type=wanted.token,
        )

    async def find(self, call_sid: str, nonce: str) -> SecretEntry | None:
        """Return the input that is under way, if it is the one that this address names."""
        entry = await self._get(call_sid)
        known = entry is not None and secrets.compare_digest(entry.nonce, nonce)
        return entry if known else None

    async def take(self, call_sid: str) -> SecretEntry | None:
        """Return the input that is under way, and forget it: it is over."""
        entry = await self._get(call_sid)
        if entry is not None:
            await self._store.delete(_key(call_sid))
        return entry

    async def _get(self, call_sid: str) -> SecretEntry | None:
        key = _key(call_sid)
        return readable(key, await self._store.get(key), _decoder.decode)

    async def _put(self, call_sid: str, entry: SecretEntry) -> None:
        text = msgspec.json.encode(entry).decode()
        await self._store.put(_key(call_sid), text, limits.tools.SECRET_ENTRY_KEPT_S)


_PATHS: Final[dict[str, str]] = {"digits": "digits", "payment": "payment"}
_decoder: Final = msgspec.json.Decoder(SecretEntry)


def _key(call_sid: str) -> str:
    return f"secret:{call_sid}"


def _flag(on: bool) -> str:
    return "true" if on else "false"
