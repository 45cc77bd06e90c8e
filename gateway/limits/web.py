"""Bounds of HTTP requests, webhooks and REST calls."""

from __future__ import annotations

from gateway.limits.call import ARRIVAL_WAIT_S

REQUEST_HEAD_MAX_BYTES = 64 << 10
"""Twilio's have about a thousand; uvicorn by itself has no bound."""
REQUEST_HEAD_WAIT_S = 10.0
KEEP_ALIVE_S = 75.0
"""A connection that is used again is closed by whoever uses it, and not by us while a request is on
its way: longer than the minute after which load balancers give an idle one up."""
WEBHOOK_BODY_MAX_BYTES = 64 << 10
WEBHOOK_BODY_WAIT_S = 5.0
WEBHOOK_FIELDS_MAX = 256
WEBHOOK_REMEMBERED_S = 60.0
"""Twilio gives a voice webhook 15 s in all, retries included."""
STREAM_TOKEN_S = 60.0
REST_TRIES = 3
REST_TIMEOUT_S = 5.0
IDEMPOTENCY_KEY_MAX_CHARS = 128
IDEMPOTENCY_KEPT_S = 86_400.0
CALL_ID_MAX_CHARS = 256

assert ARRIVAL_WAIT_S < STREAM_TOKEN_S
