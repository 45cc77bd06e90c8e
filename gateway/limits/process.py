"""Bounds of the process itself: drain, certificate, event loop."""

from __future__ import annotations

LAG_PROBE_S = 0.1
COLLECT_AFTER = (700, 5, 200)
"""Thresholds of the garbage collector. The second is half of Python's own: such a collection looks
at up to 3,500 objects, in one step of the event loop. The third is twenty times Python's: with a
hundred calls a full collection takes more than 5 ms, and little is left for it to find: a call, a
connection and a request free themselves when they are over."""
FREEZE_LOOK_S = 1.0
"""How often a process that has just started looks whether all is loaded and no call runs."""
THREAD_TURN_S = 0.001
"""How long another thread, such as the database's, may compute while the event loop waits for its
turn. Python's own bound is 5 ms, and each frame of every call would wait for them."""
CERTIFICATE_CHECK_S = 6 * 3600.0
CERTIFICATE_FIRST_S = 60.0
"""Delay of the first check: a pod that starts is not yet reachable from outside."""
DRAIN_REPORT_S = 5.0
DRAIN_HAND_OVER_S = 10.0
"""Time before the drain's deadline at which calls begin to leave in a quiet moment."""
DRAIN_RELEASE_MAX_S = 5.0
"""Time after the drain's deadline for the last calls to be taken over."""
DRAIN_END_MAX_S = 1.0
"""Time for calls that are cut off to close their sockets, before the server closes them its way."""
DRAIN_WEBHOOKS_S = 3.0
"""Time after a drain's last call in which Twilio asks what comes next, and reports how it went."""
LOG_LINES_BURST = 500
"""Log lines of one event that may come at once: all calls may end in the same moment."""
LOG_LINES_PER_S = 20.0
"""Log lines of one event a second after that; the next one says how many were left out."""
LOG_KINDS_MAX = 1_000
"""Events whose lines are counted apart; there are some two hundred."""
