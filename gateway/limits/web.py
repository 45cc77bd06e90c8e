"""Bounds of HTTP requests, webhooks and REST calls."""

from __future__ import annotations

from gateway.limits.call import ARRIVAL_WAIT_S

REQUEST_HEAD_MAX_BYTES = 64 << 10
"""Head of a request; Twilio's have about 1,000, and uvicorn has no bound itself."""
REQUEST_HEAD_WAIT_S = 10.0
KEEP_ALIVE_S = 75.0
"""Idle time of a connection before we close it: longer than load balancers' 60 s, or a
request could meet our close."""
WEBHOOK_BODY_MAX_BYTES = 64 << 10
WEBHOOK_BODY_WAIT_S = 5.0
WEBHOOK_FIELDS_MAX = 256
WEBHOOK_REMEMBERED_S = 60.0
"""How long answers to webhooks are remembered; Twilio retries within 15 s."""
STREAM_TOKEN_S = 60.0
REST_TRIES = 3
REST_TIMEOUT_S = 5.0
IDEMPOTENCY_KEY_MAX_CHARS = 128
IDEMPOTENCY_KEPT_S = 86_400.0
CALL_ID_MAX_CHARS = 256

assert ARRIVAL_WAIT_S < STREAM_TOKEN_S
