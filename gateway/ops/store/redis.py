"""State that several processes share, in Redis. Every request ends within a bounded time."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    MasterDownError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from gateway import limits
from gateway.errors import SettingsError, StoreError, StoreValueError
from gateway.ops.store.call_keys import RUNNING, bar_of_call, bar_of_key, is_barred
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
"""Take a slot in every set, or in none if one is full; slots that were not renewed are freed."""
_NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local leases, owners, me, ttl = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
"""
_RENEW: Final = (
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
_TAKE_EXPIRED: Final = (
    _NOW
    + """
local expired = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 1)[1]
if expired then
  redis.call('HSET', owners, expired, me)
  redis.call('ZADD', leases, now + ttl, expired)
end
return expired
"""
)
_PUT_UNLESS_BARRED: Final = """
local bar = redis.call('GET', KEYS[2])
if bar ~= 'ended' and (bar ~= 'running' or ARGV[3] == '0') then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
"""
"""Put a key of a call unless the call was forgotten: in one step, so that no write slips between.

`is_barred` in `call_keys` is the same rule; ARGV[3] says whether a running call's key is barred.
"""
_LEASES: Final = (f"{_PREFIX}sip:leases", f"{_PREFIX}sip:owners")

_OPTIONS: Final = (
    *("db", "ssl_ca_certs", "ssl_cert_reqs"),
    *("ssl_certfile", "ssl_check_hostname", "ssl_keyfile"),
)
"""Options of the address: which database, and what TLS needs. Time limits are set here."""
_NOT_SERVING: Final = ("READONLY", "LOADING", "MASTERDOWN")
"""Answers of a server that is alive and does not serve: a former primary, one that loads its data,
a replica without a primary. Another server may stand behind the same name."""
_WRONG_VALUE: Final = ("WRONGTYPE", "value is not an integer")
"""Answers that concern one key, whose value another program wrote."""


def client_at(url: str, max_s: float = limits.store.STORE_MAX_S) -> Any:
    """Return a Redis client, not connected; each of its requests takes at most `max_s`.

    Raises SettingsError that shows no part of the URL.
    """
    given = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    if any(name not in _OPTIONS for name, _ in given):
        raise SettingsError(
            f"GATEWAY_STORE may have only these options behind its ?: {', '.join(_OPTIONS)}."
        )
    try:
        # A request beyond so many connections waits for one: that is no outage of Redis.
        pool = BlockingConnectionPool.from_url(
            url,
            timeout=max_s,
            socket_timeout=max_s,
            socket_connect_timeout=max_s,
            max_connections=limits.store.STORE_CONNECTIONS_MAX,
            retry=Retry(NoBackoff(), 0),
            client_name="gateway",
        )
        client: Any = Redis.from_pool(pool)
        # Without this, most options of the address are read at the first request only.
        client.connection_pool.make_connection()
    except (AttributeError, TypeError, ValueError, RedisError):
        raise SettingsError(
            "GATEWAY_STORE has an option behind its ? that redis cannot read: correct or remove it."
        ) from None
    return client


class RedisStore:
    """Keys, lists, counters and leases in Redis.

    Every method raises StoreError when Redis does not serve within its time, and StoreValueError
    when a key has a value of another type.
    """

    def __init__(
        self, url: str, encryptor: Encryptor, max_s: float = limits.store.STORE_MAX_S
    ) -> None:
        self._encryptor = encryptor
        self._redis = client_at(url, max_s)
        self._admit = self._redis.register_script(_ADMIT)
        self._renew = self._redis.register_script(_RENEW)
        self._take_expired = self._redis.register_script(_TAKE_EXPIRED)

    @asynccontextmanager
    async def _request(self) -> AsyncIterator[Any]:
        """Yield the client; errors inside come out as StoreError or StoreValueError."""
        try:
            yield self._redis
        except (RedisError, OSError) as error:
            # A pipeline puts its command, with the value, in front of the answer.
            answer = str(error).rpartition("caused error: ")[2]
            if isinstance(error, ResponseError) and any(w in answer for w in _WRONG_VALUE):
                raise StoreValueError(type(error).__name__) from error
            if any(word in answer for word in _NOT_SERVING) or _does_not_serve(error):
                # The next request connects anew, and so reaches the server that serves now.
                await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise StoreError(type(error).__name__) from error

    async def claim(self, key: str, ttl_s: float) -> bool:
        """Set a key unless it is there; returns whether it was set."""
        name = _PREFIX + key
        async with self._request() as redis:
            sealed = self._encryptor.seal(name, "")
            return bool(await redis.set(name, sealed, nx=True, px=_ms(ttl_s)))

    async def get(self, key: str) -> str | None:
        """Return the value of a key; None if it is absent or was not written by the gateway."""
        name = _PREFIX + key
        async with self._request() as redis:
            sealed = await redis.get(name)
        return None if sealed is None else self._encryptor.open(name, sealed)

    async def put(self, entries: Sequence[tuple[str, str, float]]) -> None:
        """Write entries of (key, value, seconds to live) in one round trip.

        Those of a call that was forgotten are left out.
        """
        async with self._request() as redis, redis.pipeline(transaction=False) as pipe:
            for key, value, ttl_s in entries:
                name, bar = _PREFIX + key, bar_of_key(key)
                sealed = self._encryptor.seal(name, value)
                if bar:
                    words = int(is_barred(key, RUNNING))
                    keys, arguments = (name, _PREFIX + bar), (sealed, _ms(ttl_s), words)
                    pipe.eval(_PUT_UNLESS_BARRED, len(keys), *keys, *arguments)
                else:
                    pipe.set(name, sealed, px=_ms(ttl_s))
            await pipe.execute()

    async def bar(self, names: Sequence[str], state: str, ttl_s: float) -> None:
        """Have nothing put any more under the names of calls that were forgotten."""
        async with self._request() as redis, redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.set(_PREFIX + bar_of_call(name), state, px=_ms(ttl_s))
            await pipe.execute()

    async def note(self, index: str, member: str, ttl_s: float) -> None:
        """Add a name to a set that lives as long from now on."""
        name = _PREFIX + index
        async with self._request() as redis, redis.pipeline(transaction=False) as pipe:
            pipe.sadd(name, member)
            pipe.pexpire(name, _ms(ttl_s))
            await pipe.execute()

    async def noted(self, index: str) -> list[str]:
        """Return the names of a set."""
        async with self._request() as redis:
            return sorted(member.decode() for member in await redis.smembers(_PREFIX + index))

    async def push(self, key: str, value: str, ttl_s: float, max_length: int) -> None:
        """Append to a list; beyond `max_length` the oldest entries are dropped."""
        name = _PREFIX + key
        async with self._request() as redis, redis.pipeline(transaction=False) as pipe:
            pipe.rpush(name, self._encryptor.seal(name, value))
            pipe.ltrim(name, -max_length, -1)
            pipe.pexpire(name, _ms(ttl_s))
            await pipe.execute()

    async def pop(self, key: str) -> str | None:
        """Remove and return the oldest entry of a list."""
        name = _PREFIX + key
        async with self._request() as redis:
            sealed = await redis.lpop(name)
        return None if sealed is None else self._encryptor.open(name, sealed)

    async def exists(self, key: str) -> bool:
        """Return whether there is a key, whatever stands under it."""
        async with self._request() as redis:
            return bool(await redis.exists(_PREFIX + key))

    async def delete(self, key: str) -> None:
        """Remove a key."""
        async with self._request() as redis:
            await redis.delete(_PREFIX + key)

    async def add(self, key: str, amount: int, ttl_s: float) -> int:
        """Add to a counter that all processes share, and return its sum."""
        async with self._request() as redis, redis.pipeline(transaction=False) as pipe:
            pipe.incrby(_PREFIX + key, amount)
            pipe.pexpire(_PREFIX + key, _ms(ttl_s))
            total, _ = await pipe.execute()
        return int(total)

    # --- Boards: one value of each process, for all to read ---

    async def post(self, board: str, member: str, value: str, ttl_s: float) -> None:
        """Put a member's value on a board, until it is not renewed for so long."""
        board_name, name = f"{_PREFIX}{board}", f"{_PREFIX}{board}:{member}"
        async with self._request() as redis, redis.pipeline(transaction=False) as pipe:
            pipe.set(name, self._encryptor.seal(name, value), px=_ms(ttl_s))
            pipe.sadd(board_name, member)
            pipe.pexpire(board_name, _ms(2 * ttl_s))
            await pipe.execute()

    async def posted(self, board: str) -> dict[str, str]:
        """Return what is on a board, by member; members that are gone are removed."""
        board_name = f"{_PREFIX}{board}"
        async with self._request() as redis:
            members = [member.decode() for member in await redis.smembers(board_name)]
            if not members:
                return {}
            names = [f"{board_name}:{member}" for member in members]
            values = await redis.mget(names)
            gone = [m for m, value in zip(members, values, strict=True) if value is None]
            if gone:
                await redis.srem(board_name, *gone)
        opened = {
            member: self._encryptor.open(name, value)
            for member, name, value in zip(members, names, values, strict=True)
            if value is not None
        }
        return {member: value for member, value in opened.items() if value is not None}

    # --- Admission: slots with leases ---

    async def admit(self, member: str, slots: Sequence[tuple[str, int]], ttl_s: float) -> int:
        """Take or renew a slot in each set of (name, limit).

        Returns 0, or the number of the first set that is full; then no slot is taken.
        """
        keys = [f"{_PREFIX}slots:{name}" for name, _ in slots]
        most = [limit for _, limit in slots]
        async with self._request():
            return int(await self._admit(keys=keys, args=[ttl_s, member, *most]))

    async def free(self, member: str, slots: Sequence[str]) -> None:
        """Give the slots in these sets back."""
        async with self._request() as redis, redis.pipeline(transaction=False) as pipe:
            for name in slots:
                pipe.zrem(f"{_PREFIX}slots:{name}", member)
            await pipe.execute()

    # --- Leases of SIP calls, which outlive their process ---

    async def renew_leases(self, owner: str, names: Sequence[str], ttl_s: float) -> list[str]:
        """Renew these leases; returns those that another owner has taken over."""
        async with self._request():
            lost = await self._renew(keys=_LEASES, args=[owner, ttl_s, *names])
        return [name.decode() for name in lost]

    async def take_expired_lease(self, owner: str, ttl_s: float) -> str | None:
        """Make this owner the holder of one lease that was not renewed; returns its name."""
        async with self._request():
            name = await self._take_expired(keys=_LEASES, args=[owner, ttl_s])
        return None if name is None else name.decode()

    async def release_lease(self, name: str) -> None:
        """Let the next owner that looks for an expired lease have this one."""
        async with self._request() as redis, redis.pipeline() as pipe:
            pipe.hdel(_LEASES[1], name)
            pipe.zadd(_LEASES[0], {name: 0})
            await pipe.execute()

    async def drop_lease(self, name: str) -> None:
        """Remove a lease: its call has ended."""
        async with self._request() as redis, redis.pipeline() as pipe:
            pipe.hdel(_LEASES[1], name)
            pipe.zrem(_LEASES[0], name)
            await pipe.execute()

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()


def _does_not_serve(error: Exception) -> bool:
    # The client removes the first word of some answers, and has a class for each of them.
    return isinstance(error, (ReadOnlyError, BusyLoadingError, MasterDownError))


def _ms(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
