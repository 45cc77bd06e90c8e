"""What a process loads with its first request is there before its first call."""

from __future__ import annotations

import subprocess
import sys

FIRST_REQUEST = """
import asyncio, sys
from gateway.cli.serve import warm_up
from gateway.errors import LinkError
from gateway.transports.openai_calls import OpenAICalls

async def main():
    await warm_up()
    calls, before = OpenAICalls("http://127.0.0.1:9/v1", "sk-none"), set(sys.modules)
    try:
        await calls.hang_up("rtc_1")
    except LinkError as error:
        print(error.reason, sorted(set(sys.modules) - before))

asyncio.run(main())
"""


def test_the_first_request_of_a_call_loads_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_REQUEST],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "ConnectError []\n"
