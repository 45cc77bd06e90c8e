"""Bounds of the database: waits, queues, the spool, batches, and the delivery of events."""

from __future__ import annotations

from gateway.limits.agents import MAX_CALL_MAX_S
from gateway.limits.outbound import WARM_WAIT_MAX_S
from gateway.limits.store import ENDINGS_KEPT_S

JOBS_MAX = 256
"""Requests that wait for the one thread; more are refused."""
CONNECT_MAX_S = 3.0
STATEMENT_MAX_S = 5.0
"""Longest statement; also how long SQLite waits for another process's write."""
LOCKED_PAUSE_S = 0.02
"""Pause before a new SQLite file is tried again that another process writes."""
LOCK_MAX_S = 3.0
MIGRATION_MAX_S = 120.0
"""Longest migration, and how long a process waits for one of another process."""
PEER_SILENT_MAX_S = 10.0
"""Time after which a server that acknowledges nothing counts as away."""
RECYCLE_S = 1_800.0
"""Age at which a connection is replaced, so that a pooler's own limit is not met."""
PAUSE_S = 1.0
"""Pause before a database is tried again that could not be reached."""
JOB_WAIT_MAX_S = 15.0
"""How long a request waits for its answer, the queue included."""
CLOSE_MAX_S = 5.0
"""How long a stopping process goes on writing what has ended; the rest stays in the spool."""

SPOOL_FILES_MAX = 20_000
SPOOL_BYTES_MAX = 1 << 30
SPOOL_ENTRY_MAX_BYTES = 16 << 20
SPOOL_QUEUE_MAX = 1_000
"""Entries in memory that wait for the disk; further ones are lost, and counted."""
WRITE_FIRST_PAUSE_S = 0.5
WRITE_PAUSE_MAX_S = 30.0
"""Longest pause between two tries to write what is spooled."""
WRITE_TRIES_IN_ORDER = 5
"""Failures in a row of the oldest entry after which another one is tried as well."""
WRITE_REFUSALS_MAX = 3
"""Failures of the oldest entry, each beside another one that was written, after which the fault is
its own."""
OWN_WRITES_MAX_S = 1.0
"""How long a page of the audit log waits for entries of this process that are not written yet."""

CURSOR_MAX_CHARS = 400
CALLER_MAX_CHARS = 200
EARLIER_CALLS_MAX = 10
RETAIN_DEFAULT_DAYS = 90
RETAIN_MIN_DAYS = 0.01
RETAIN_MAX_DAYS = 36_500
RETAIN_EVERY_S = 600.0
RETAIN_BATCH = 200
"""Records that one transaction deletes; other work goes on between two batches."""
RETAIN_BATCHES_MAX = 500
"""Batches of one round: what is left is for the next round."""
RETAIN_AT_ONCE = 8
"""Calls whose recordings are deleted beside each other."""
PARTS_MAX = 50
"""Parts of one call, each from another process or stream, that are merged into its record."""
TAKE_OVER_BATCH = 20

assert CONNECT_MAX_S + STATEMENT_MAX_S < JOB_WAIT_MAX_S
assert WRITE_FIRST_PAUSE_S < WRITE_PAUSE_MAX_S

DELIVERY_ATTEMPT_MAX_S = 15.0
"""Longest attempt, as Standard Webhooks advises a receiver to answer within."""
DELIVERY_LEASE_S = 60.0
"""Time after which another process sends what this one has taken and not reported on."""
DELIVERY_AT_ONCE = 8
"""Attempts of one process at the same time."""
DELIVERY_FIRST_PAUSE_S = 5.0
DELIVERY_PAUSE_MAX_S = 3_600.0
"""Pauses double from the first to this one."""
DELIVERY_GIVE_UP_S = 86_400.0
"""An event is tried for so long, and parked then."""
DELIVERY_RETRY_AFTER_MAX_S = 3_600.0
DELIVERY_DOWN_PAUSE_MAX_S = 30.0
"""Longest rest of a process after attempts in a row that found no receiver."""
DELIVERY_LOOK_EVERY_S = 5.0
"""How often a process looks for what is due again, or was left by another one."""
DELIVERY_STATS_EVERY_S = 15.0
DELIVERY_SETTLE_S = 20.0
"""How long `call.ended` waits after an end that another process may resume, without a carrier."""
DELIVERY_BROKEN_S = ENDINGS_KEPT_S
"""The same where the carrier may bring the caller back: nobody knows of the call afterwards."""
DELIVERY_TRANSFERRED_S = 180.0
"""The same for a transfer that nobody takes: its caller is back by then."""
DELIVERY_RESUMED_S = MAX_CALL_MAX_S + ENDINGS_KEPT_S
"""The same once the call was resumed, should nobody write how it ended."""
DELIVERY_OVER_AFTER_S = 5.0
"""How long after the carrier's report that a call is over: its record may come a moment later."""
DELIVERY_DELIVERED_KEPT_S = 86_400.0
"""How long the id of a delivered event is kept, so that it is not added again."""
DELIVERY_PAGE_MAX = 500
DELIVERY_PAGE_DEFAULT = 100
DELIVERY_ERROR_MAX_CHARS = 60

assert WARM_WAIT_MAX_S < DELIVERY_TRANSFERRED_S < DELIVERY_BROKEN_S
assert DELIVERY_ATTEMPT_MAX_S * 2 < DELIVERY_LEASE_S
assert DELIVERY_FIRST_PAUSE_S < DELIVERY_PAUSE_MAX_S < DELIVERY_GIVE_UP_S
