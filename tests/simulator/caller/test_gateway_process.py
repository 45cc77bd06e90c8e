"""Ports for processes that are about to start."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.simulator.caller.gateway_process import free_port


async def test_a_port_is_given_once_and_a_server_can_listen_there() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", ports[0]))
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", ports[0]):
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])
        assert await reader.read() == b""
        writer.close()
