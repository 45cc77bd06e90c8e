"""Simulated OpenAI project: its id, webhook secret and SIP hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SIMULATED_PROJECT: Final = "proj_simulated"
SIMULATED_SECRET: Final = "whsec_c2ltdWxhdGVkIHdlYmhvb2sgc2VjcmV0"  # noqa: S105 - opens nothing
WEBHOOK_PATH: Final = "/openai/webhook"
SIP_HOSTS: Final = frozenset({"sip.api.openai.com", "sip-eu.api.openai.com"})


@dataclass(frozen=True)
class SipAccount:
    """OpenAI project: the user part of its SIP address, and its webhook endpoint."""

    project: str
    webhook_url: str
    webhook_secrets: tuple[str, ...] = field(repr=False)


def sip_uri(project: str) -> str:
    """Return the SIP address of a project."""
    return f"sip:{project}@sip.api.openai.com;transport=tls"
