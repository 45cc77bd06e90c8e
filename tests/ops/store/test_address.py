"""Options of Redis's in GATEWAY_STORE: what cannot be read is told before there is a call."""

from __future__ import annotations

import pytest

from gateway.errors import SettingsError
from gateway.ops.store.encryption import Encryptor
from gateway.ops.store.redis import RedisStore


@pytest.mark.parametrize(
    ("address", "how"),
    [
        ("redis://:s3cret@cache:6379/0?socket_timeout=600", "only these options"),
        ("redis://:s3cret@cache:6379/0?decode_responses=yes", "only these options"),
        ("redis://:s3cret@cache:6379/0?max_connections=", "only these options"),
        ("redis://:s3cret@cache:6379/0?password=s3cret&db=0", "only these options"),
        ("rediss://:s3cret@cache:6379/0?ssl_cert_reqs=weird", "correct or remove it"),
        ("redis://:s3cret@cache:6379/0?db=x", "correct or remove it"),
    ],
)
def test_an_option_that_cannot_be_taken_is_told_without_the_password(
    address: str, how: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        RedisStore(address, Encryptor([]))
    said = str(refused.value)
    assert said.startswith("GATEWAY_STORE ")
    assert how in said
    assert "s3cret" not in said
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "address",
    [
        "redis://cache:6379/0",
        "redis://:s3cret@cache:6379?db=3",
        "rediss://cache/0?ssl_cert_reqs=none",
        "rediss://cache/0?ssl_ca_certs=/etc/ssl/ours.pem&ssl_check_hostname=false",
    ],
)
async def test_what_says_which_database_and_how_tls_is_taken(address: str) -> None:
    await RedisStore(address, Encryptor([])).close()
