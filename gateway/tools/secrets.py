"""Secrets that the agents file names, read from the environment at start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.agents.config.tool_options import HEADER_VALUE
from gateway.errors import SettingsError


def secrets_for(
    whose: str, names: Iterable[str], environ: Mapping[str, str], *, in_headers: bool
) -> dict[str, str]:
    """By name. Raises SettingsError for one that is not set, or cannot be sent in a header."""
    found: dict[str, str] = {}
    for name in sorted(names):
        if not environ.get(name):
            raise SettingsError(f"{whose} needs {name}, which is not set: set it.")
        if in_headers and not HEADER_VALUE.fullmatch(environ[name]):
            raise SettingsError(
                f"{whose} sends {name} in a header, where its line break, or another odd "
                "character, cannot stand: set it without."
            )
        found[name] = environ[name]
    return found
