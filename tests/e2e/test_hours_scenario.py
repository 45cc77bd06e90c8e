"""Opening hours rehearsed at another time, over real processes and sockets, on both paths."""

from __future__ import annotations

import sys
from pathlib import Path

from rehearsal import as_expected


async def test_the_night_agent_answers_on_a_holiday(tmp_path: Path) -> None:
    # As it is started outside of tests: each of the processes imports for itself.
    await as_expected("hours", ("media", "sip"), tmp_path, sys.executable)
