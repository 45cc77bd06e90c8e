"""Opening hours rehearsed at another time, over real processes and sockets."""

from __future__ import annotations

import sys
from pathlib import Path

from rehearsal import as_expected, on


@on("media", "sip")
async def test_the_night_agent_answers_on_a_holiday(path: str, tmp_path: Path) -> None:
    # As it is started outside of tests: each of the processes imports for itself.
    await as_expected("hours", path, tmp_path, sys.executable)
