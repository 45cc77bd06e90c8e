"""Bounds of HTTP requests, webhooks and REST calls."""

from __future__ import annotations

from gateway.limits.api import BODY_WAIT_S
from gateway.limits.call import ARRIVAL_WAIT_S
from gateway.limits.images import IMAGE_BODY_MAX_BYTES

REQUEST_HEAD_MAX_BYTES = 64 << 10
"""Head of a request; Twilio's have about 1,000, and uvicorn has no bound itself."""
REQUEST_HEAD_WAIT_S = 10.0
REQUEST_HEADERS_MAX = 128
REQUEST_BODY_MAX_BYTES = IMAGE_BODY_MAX_BYTES + (1 << 20)
"""Body of any request; each endpoint has a smaller bound of its own."""
REQUEST_BODY_WAIT_S = 30.0
CHUNKS_FREE = 256
"""Pieces of a body that may be of any size; further ones have CHUNK_MIN_BYTES on average."""
CHUNK_MIN_BYTES = 256
PIPELINED_MAX = 8
"""Requests that may wait on a connection behind one that is not answered yet."""
UNREAD_BODY_MAX_BYTES = 64 << 10
"""Rest of a body that is read after an early answer, so that the connection can be used again."""
LINGER_S = 2.0
"""Time for a peer to read our last answer; a reset could destroy it."""
RESPONSE_STALL_MAX_S = 30.0
"""Time in which a peer reads nothing of its answer, after which it is cut off."""
CONNECTIONS_MAX = 1_000
"""Connections of plain HTTP at once; probes are answered beyond it."""
LISTEN_BACKLOG = 256
"""Connections that wait to be accepted."""
ACCEPTS_PER_TURN = 8
"""Connections that asyncio accepts in one turn of the event loop; uvloop accepts one."""
READS_PER_TURN = 16
"""Reads of plain HTTP that are handled in one turn of the event loop: about a millisecond for
requests that are refused."""
UNWANTED_HEAD_WAIT_S = 1.0
"""Wait for the head of a request that is beyond the limits."""
DESCRIPTORS_WANTED = 65_536
"""Descriptors that the process asks the system for at its start."""
DESCRIPTORS_RESERVE = 256
"""Descriptors kept for media sockets and the model's; at most a quarter of all."""
DESCRIPTORS_LAST = 64
"""Descriptors kept for what the process opens itself; at most a quarter of the reserve."""
DESCRIPTORS_LOGGED_EVERY_S = 10.0
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
REST_FIRST_PAUSE_S = 0.2
"""Pause before a request to Twilio is repeated; the next one is twice as long."""
REST_TIMEOUT_S = 5.0
CONNECTIONS_OF_CLIENT_MAX = 100
"""Connections at once of one function, hook or MCP server."""
KEPT_CONNECTIONS_MAX = 20
"""How many of them are kept while they are idle."""
KEPT_CONNECTION_MAX_S = 1.5
"""How long a connection to an operator's server is kept for its next request. Node.js, uvicorn and
Apache close an idle one after 5 s, Gunicorn after 2: a request that is on its way in that moment is
lost, and one that may not be done twice cannot be repeated."""
IDEMPOTENCY_KEY_MAX_CHARS = 128
IDEMPOTENCY_KEPT_S = 86_400.0
CALL_ID_MAX_CHARS = 256
SCRAPE_TURN_S = 0.001
"""How long metrics are written out before the event loop gets its turn: in all it takes some
milliseconds, by which the sound of every call would be late."""
SCRAPE_SAMPLES_MAX = 64
"""Samples of one metric that are written out without a look at the clock."""

assert BODY_WAIT_S < REQUEST_BODY_WAIT_S
assert ACCEPTS_PER_TURN < LISTEN_BACKLOG
assert WEBHOOK_BODY_MAX_BYTES <= UNREAD_BODY_MAX_BYTES
assert ARRIVAL_WAIT_S < STREAM_TOKEN_S
