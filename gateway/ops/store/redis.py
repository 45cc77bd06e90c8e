"""What several processes must agree on, in Redis. Every call ends within a bounded time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway import limits
from gateway.errors import SettingsError, StoreError
from gateway.ops.store.encryption import Encryptor

_PREFIX: Final = "gateway:"
_ADMIT: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local ttl, member = tonumber(ARGV[1]), ARGV[2]
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local most = tonumber(ARGV[2 + i])
  if not redis.call('ZSCORE', key, member) and redis.call('ZCARD', key) >= most then
    return i
  end
end
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ttl, member)
  redis.call('PEXPIRE', key, math.ceil(ttl * 2000))
end
return 0
"""
"""Room in every one of the sets, or a place in none; a place that nobody renews is given back."""
_NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local leases, owners, me, ttl = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
"""
_HOLD: Final = (
    _NOW
    + """
local lost = {}
for i = 3, #ARGV do
  local owner = redis.call('HGET', owners, ARGV[i])
  if owner and owner ~= me then
    table.insert(lost, ARGV[i])
  else
    redis.call('HSET', owners, ARGV[i], me)
    redis.call('ZADD', leases, now + ttl, ARGV[i])
  end
end
return lost
"""
)
_TAKE: Final = (
    _NOW
    + """
local orphan = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 1)[1]
if orphan then
  redis.call('HSET', owners, orphan, me)
  redis.call('ZADD', leases, now + ttl, orphan)
end
return orphan
"""
)
_LEASES: Final = (f"{_PREFIX}sip:leases", f"{_PREFIX}sip:owners")


_OPTIONS: Final = (
    "db", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile",
)  # fmt: skip
"""Which database, and what TLS needs: times and numbers are ours to bound."""


def client_at(url: str) -> Any:
    """Of Redis, not connected; raises SettingsError, which shows nothing of the address."""
    given = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    if any(name not in _OPTIONS for name, _ in given):
        raise SettingsError(
            f"GATEWAY_STORE may have only these options behind its ?: {', '.join(_OPTIONS)}."
        )
    try:
        client: Any = Redis.from_url(
            url,
            socket_timeout=limits.store.STORE_MAX_S,
            socket_connect_timeout=limits.store.STORE_MAX_S,
            max_connections=limits.store.STORE_CONNECTIONS_MAX,
            retry=Retry(NoBackoff(), 0),
            client_name="gateway",
        )
        client.connection_pool.make_connection()  # else most options are read at the first use only
    except (AttributeError, TypeError, ValueError, RedisError):
        raise SettingsError(
            "GATEWAY_STORE has an option behind its ? that redis cannot read: correct or remove it."
        ) from None
    return client


class RedisStore:
    """Raises StoreError whenever Redis does not answer, and in time."""

    def __init__(self, url: str, sealer: Encryptor) -> None:
        self._sealer = sealer
        self._redis = client_at(url)
        self._admit = self._redis.register_script(_ADMIT)
        self._hold = self._redis.register_script(_HOLD)
        self._take = self._redis.register_script(_TAKE)

    async def claim(self, key: str, ttl_s: float) -> bool:
        name = _PREFIX + key
        try:
            done = await self._redis.set(name, self._sealer.seal(name, ""), nx=True, px=_ms(ttl_s))
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error
        return bool(done)

    async def get(self, key: str) -> str | None:
        name = _PREFIX + key
        try:
            sealed = await self._redis.get(name)
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error
        return None if sealed is None else self._sealer.open(name, sealed)

    async def put(self, entries: Sequence[tuple[str, str, float]]) -> None:
        """(key, value, seconds to live) each, in one round trip."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, value, ttl_s in entries:
                    name = _PREFIX + key
                    pipe.set(name, self._sealer.seal(name, value), px=_ms(ttl_s))
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error

    async def push(self, key: str, value: str, ttl_s: float, most: int) -> None:
        """At the end of a list; more than `most` push the oldest out."""
        name = _PREFIX + key
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.rpush(name, self._sealer.seal(name, value))
                pipe.ltrim(name, -most, -1)
                pipe.pexpire(name, _ms(ttl_s))
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error

    async def pop(self, key: str) -> str | None:
        """The oldest of a list."""
        name = _PREFIX + key
        try:
            sealed = await self._redis.lpop(name)
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error
        return None if sealed is None else self._sealer.open(name, sealed)

    async def delete(self, key: str) -> None:
        try:
            await self._redis.delete(_PREFIX + key)
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error

    async def admit(self, member: str, rooms: Sequence[tuple[str, int]], ttl_s: float) -> int:
        """0 when there was room in all of them; else the number of the first that is full."""
        keys = [f"{_PREFIX}room:{name}" for name, _ in rooms]
        most = [most for _, most in rooms]
        try:
            return int(await self._admit(keys=keys, args=[ttl_s, member, *most]))
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error

    async def leave(self, member: str, rooms: Sequence[str]) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in rooms:
                    pipe.zrem(f"{_PREFIX}room:{name}", member)
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error

    async def add(self, key: str, amount: int, ttl_s: float) -> int:
        """To a number that all processes count in; what it comes to."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.incrby(_PREFIX + key, amount)
                pipe.pexpire(_PREFIX + key, _ms(ttl_s))
                total, _ = await pipe.execute()
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error
        return int(total)

    # --- Calls that outlive their process ---

    async def hold(self, owner: str, names: Sequence[str], ttl_s: float) -> list[str]:
        """Renews these leases; which of them somebody else has taken."""
        try:
            lost = await self._hold(keys=_LEASES, args=[owner, ttl_s, *names])
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error
        return [name.decode() for name in lost]

    async def take(self, owner: str, ttl_s: float) -> str | None:
        """One lease that nobody renews any more is this owner's from now on."""
        try:
            name = await self._take(keys=_LEASES, args=[owner, ttl_s])
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error
        return None if name is None else name.decode()

    async def release(self, name: str) -> None:
        """For the next who looks."""
        try:
            async with self._redis.pipeline() as pipe:
                pipe.hdel(_LEASES[1], name)
                pipe.zadd(_LEASES[0], {name: 0})
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error

    async def drop(self, name: str) -> None:
        """There is nothing any more to be had."""
        try:
            async with self._redis.pipeline() as pipe:
                pipe.hdel(_LEASES[1], name)
                pipe.zrem(_LEASES[0], name)
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from error

    async def close(self) -> None:
        await self._redis.aclose()


def _ms(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
