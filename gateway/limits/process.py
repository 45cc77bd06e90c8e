"""Bounds of the process itself: drain, certificate, event loop."""

from __future__ import annotations

LAG_PROBE_S = 0.1
CERTIFICATE_CHECK_S = 6 * 3600.0
CERTIFICATE_FIRST_S = 60.0
"""Not at once: a pod that starts is not yet reached by its public address."""
DRAIN_REPORT_S = 5.0
DRAIN_HAND_OVER_S = 10.0
"""Before the deadline: from here on, each call leaves in its next quiet moment."""
DRAIN_RELEASE_MAX_S = 5.0
"""After it, for the last ones to be taken over."""
