"""Privacy switches of an agent, and the presets that set them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

PrivacyPreset = Literal["default", "hipaa", "pci"]
RedactSwitch = Literal["cards", "digits", "emails", "phones"]

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    # The least that runs a telephone line: who spoke when. 45 CFR 164.502(b), minimum necessary.
    "hipaa": {
        "record": "metadata",
        "redact": ["cards", "digits", "emails", "phones"],
        "retain_days": 30,
    },
    # Account data is not kept after authorization. PCI DSS 4.0.1, requirement 3.3.
    "pci": {"record": "metadata", "redact": ["cards", "digits"], "retain_days": 90},
}
"""Switches that a preset sets; a key of the agent's own goes before it."""


def with_preset(agent: Any) -> Any:
    """Return an agent's mapping with the switches of its preset filled in."""
    preset = PRESETS.get(agent.get("privacy", "default")) if isinstance(agent, dict) else None
    return {**preset, **agent} if preset else agent
