"""Bounds of the operators' API."""

from __future__ import annotations

REQUESTS_BURST = 200
REQUESTS_PER_S = 50.0
ACTIONS_BURST = 30
ACTIONS_PER_S = 5.0
GUESSES_BURST = 20
GUESSES_PER_S = 2.0
"""Requests without the right token that are answered 401; more get 429."""
GUESSES_LOGGED_EVERY_S = 10.0
BODY_MAX_BYTES = 16 << 10
DIAL_BODY_MAX_BYTES = 128 << 10
"""Of an order with a briefing, each character escaped."""
BODY_WAIT_S = 20.0
CALLS_DEFAULT = 100
CALLS_MAX = 500
SAY_MAX_CHARS = 1_000
ABOUT_MAX_CHARS = 300

assert SAY_MAX_CHARS * 12 < BODY_MAX_BYTES
TOKENS_READ_EVERY_S = 3.0
"""How often tokens that were made or revoked in another process are looked for."""
TOKENS_GIVEN_MAX = 100
"""Tokens in the environment."""
LOOKS_AUDITED_EVERY_S = 600.0
"""An operator who looks at a call again within this time is not written down again."""
LOOKS_REMEMBERED_MAX = 5_000
