"""Options of Redis's in GATEWAY_STORE: what cannot be read is told before there is a call."""

from __future__ import annotations

import pytest

from gateway.errors import SettingsError
from gateway.ops.sealing import Sealer
from gateway.ops.store_redis import RedisStore


@pytest.mark.parametrize(
    "address",
    [
        "redis://:s3cret@cache:6379/0?socket_timeout=abc",
        "redis://:s3cret@cache:6379/0?max_connections=-1",
        "redis://:s3cret@cache:6379/0?no_such_option=1",
        "redis://:s3cret@cache:6379/0?retry=3",
        "redis://:s3cret@cache:6379/0?protocol=9",
        "rediss://:s3cret@cache:6379/0?ssl_cert_reqs=weird",
        "redis://:s3cret@cache:6379/0?password=s3cret&db=x",
    ],
)
def test_an_option_that_cannot_be_read_is_told_without_the_password(address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        RedisStore(address, Sealer([]))
    said = str(refused.value)
    assert said.startswith("GATEWAY_STORE ")
    assert "correct or remove it" in said
    assert "s3cret" not in said
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "address",
    [
        "redis://cache:6379/0",
        "redis://:s3cret@cache:6379?db=3",
        "redis://cache/0?socket_timeout=0.2&health_check_interval=5",
        "rediss://cache/0?ssl_cert_reqs=none",
    ],
)
async def test_other_options_are_taken(address: str) -> None:
    await RedisStore(address, Sealer([])).close()
