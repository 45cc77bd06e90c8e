"""What the server around the application is told."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from dataclasses import replace
from email.utils import formatdate
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from running_gateway import InProcessServer, free_listener, serving
from structlog.testing import capture_logs

from gateway import limits
from gateway.app import build
from gateway.cli.drain_server import GatewayServer, http_date
from gateway.settings import load_settings

LOAD_BALANCER_IDLE_S = 60


def test_an_idle_connection_is_not_closed_before_its_user_does() -> None:
    """A request that meets our close on its way is lost, and a webhook with it."""
    server = GatewayServer(build(load_settings({}, simulated=True)), "127.0.0.1", 0, 1.0)
    assert server.config.timeout_keep_alive > LOAD_BALANCER_IDLE_S


async def test_a_hang_up_signal_has_the_agents_file_read_again() -> None:
    asked = asyncio.Event()
    gateway = replace(build(load_settings({}, simulated=True)), reload=asked.set)
    server = GatewayServer(gateway, "127.0.0.1", 0, 1.0)
    running = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)  # it has begun
    with server.capture_signals():
        signal.raise_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            await asked.wait()
        assert not server.should_exit
        server.handle_exit(signal.SIGTERM, None)
        await running
        server._captured_signals.clear()  # uvicorn would raise it again, for whoever runs this


def test_a_hang_up_signal_before_the_first_call_is_ignored() -> None:
    server = GatewayServer(build(load_settings({}, simulated=True)), "127.0.0.1", 0, 1.0)
    before = signal.getsignal(signal.SIGHUP)
    with capture_logs() as lines, server.capture_signals():
        signal.raise_signal(signal.SIGHUP)
        assert not server.should_exit
    assert [line["event"] for line in lines] == ["sighup_ignored"]
    assert signal.getsignal(signal.SIGHUP) == before


@given(st.integers(0, 4_102_444_800))
def test_dates_are_written_as_the_standard_library_does(unix_s: int) -> None:
    assert http_date(unix_s) == formatdate(unix_s, usegmt=True).encode()


async def test_connections_that_come_at_once_are_accepted_a_few_in_each_turn() -> None:
    """Each costs as much as a frame of sound; none of them may be turned away meanwhile."""
    gateway = build(load_settings({}, simulated=True))
    listener = free_listener()
    server = InProcessServer(gateway, "127.0.0.1", 0, 0.0)
    async with serving(server, listener):
        with contextlib.ExitStack() as stack:
            # The system completes each while the event loop stands still: they wait in its queue.
            for _ in range(limits.web.LISTEN_BACKLOG // 2):
                stack.enter_context(socket.create_connection(listener.getsockname(), timeout=10))
            accepted = [0]
            async with asyncio.timeout(30):
                while accepted[-1] < limits.web.LISTEN_BACKLOG // 2:
                    await asyncio.sleep(0)  # one turn
                    accepted.append(len(server.server_state.connections))
        most = max(after - before for before, after in pairwise(accepted))
        assert 0 < most <= limits.web.ACCEPTS_PER_TURN
