"""The state of many machines, in one Redis (7 or newer, or Valkey), as Lua that runs atomically.

The arithmetic is that of `ledger.py`. Time is the server's own (`TIME`), kept from going back.
Redis must keep what it acknowledged: `appendonly yes`, and no eviction. A server that lost data is
noticed by every client that saw more, and is an error for it from then on.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import orjson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mcpguard.errors import StoreError
from mcpguard.model import Json
from mcpguard.store import (
    MAX_COUNT,
    Value,
    check_amount,
    check_key,
    check_prefix,
    packed,
)
from mcpguard.store.ledger import GRAIN, Grant, Kind, Limit, check
from mcpguard.store.memory import other_limit

__all__ = ["CONNECT", "PREFIX", "REPLY", "SCHEMA", "RedisStore"]

PREFIX = "{mcpguard}"
"""Before every key. In braces: a cluster keeps all of them on one node, where Lua sees them."""

CONNECT = 1.0
"""Seconds to wait for a connection. A worker thread waits, and calls wait for it."""

REPLY = 1.0
"""Seconds to wait for an answer; a script takes well under a millisecond."""

SCHEMA = "1"
"""Of the keys and fields below. A newer one is another program's to read."""

_OPEN = """
local meta = KEYS[1]
redis.call('HSETNX', meta, 'schema', ARGV[1])
redis.call('HSETNX', meta, 'born', ARGV[2])
return redis.call('HMGET', meta, 'schema', 'born')
"""

_GUARD = """
local function text(number) return string.format('%.0f', number) end
local meta = KEYS[1]
local known = redis.call('HMGET', meta, 'born', 'now', 'version')
local last, version = tonumber(known[2] or '0'), tonumber(known[3] or '0')
if known[1] ~= ARGV[1] or last < tonumber(ARGV[2]) or version < tonumber(ARGV[3]) then
    return redis.error_reply('MCPGUARD lost')
end
local function clock()
    local time = redis.call('TIME')
    local now = math.max(last, time[1] * 1000 + math.floor(time[2] / 1000))
    redis.call('HSET', meta, 'now', text(now))
    return now
end
local function changed()
    version = redis.call('HINCRBY', meta, 'version', 1)
    return version
end
"""
"""Refuses a server that forgot: its birth mark, or the latest time or version seen, is gone."""

_LEDGER = """
local key, now = KEYS[2], clock()
local kind, lease = ARGV[4], ARGV[8]
local amount, window, size = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local number, ttl, grains = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local begun = redis.call('HSETNX', key, 'is', kind .. window) == 1
if redis.call('HGET', key, 'is') ~= kind .. window then
    return redis.error_reply('MCPGUARD other limit')
end
local opened, spent, level, at = {}, {}, size * window, now
local rows = redis.call('HGETALL', key)
for i = 1, #rows, 2 do
    local mark, name, row = string.sub(rows[i], 1, 2), string.sub(rows[i], 3), rows[i + 1]
    if mark == 'l:' then
        local units, expires = string.match(row, '^(%d+):(%d+)$')
        opened[name] = {tonumber(units), tonumber(expires)}
    elseif mark == 's:' then
        spent[tonumber(name)] = tonumber(row)
    elseif rows[i] == 'level' then
        level = tonumber(row)
    elseif rows[i] == 'at' then
        at = tonumber(row)
    end
end
local function out()
    local sum = 0
    for _, row in pairs(opened) do sum = sum + row[1] end
    return sum
end
local function close(name)
    opened[name] = nil
    redis.call('HDEL', key, 'l:' .. name)
end
local function lend(units)
    local expires = now + ttl + 1
    opened[lease] = {units, expires}
    redis.call('HSET', key, 'l:' .. lease, text(units) .. ':' .. text(expires))
end
local function flow(to)
    local room = math.max(0, size - out())
    level = math.min(level + amount * math.max(0, to - at), room * window)
    at = math.max(at, to)
end
local function advance()
    local due = {}
    for name, row in pairs(opened) do
        if row[2] <= now then due[#due + 1] = {row[2], name} end
    end
    table.sort(due, function(a, b) return a[1] < b[1] end)
    for _, row in ipairs(due) do
        flow(row[1])
        close(row[2])
    end
    flow(now)
end
local function finish(last)
    if kind == 'bucket' then
        redis.call('HSET', key, 'level', text(level), 'at', text(at))
    end
    local left = math.max(redis.call('PTTL', key), last)
    redis.call('PEXPIRE', key, text(left))
end
"""
"""Reads the ledger of a key. `finish` lets it end when it cannot say more than an empty one."""

_TAKE_SLIDING = """
local held, soonest = 0, math.huge
local function holds(units, until_, field)
    if until_ <= now then return redis.call('HDEL', key, field) end
    held, soonest = held + units, math.min(soonest, until_)
end
for name, row in pairs(opened) do holds(row[1], row[2] + window, 'l:' .. name) end
for until_, units in pairs(spent) do holds(units, until_, 's:' .. text(until_)) end
local granted = math.min(number, amount - held)
if granted <= 0 then return {now, 0, math.max(1, soonest - now)} end
lend(granted)
finish(ttl + 2 * window + 2)
return {now, granted, 0}
"""

_TAKE_BUCKET = """
advance()
local granted = math.min(number, math.floor(level / window))
local wait = 0
if granted > 0 then
    level = level - granted * window
    lend(granted)
else
    granted = 0
    wait = math.ceil((window - level) / amount)
    if out() >= size then
        local first = math.huge
        for _, row in pairs(opened) do first = math.min(first, row[2]) end
        wait = wait + first - now
    end
end
finish(ttl + math.ceil(size * window / amount) + 2)
return {now, granted, math.max(1, wait)}
"""

_BACK_SLIDING = """
local row = opened[lease]
if not row then
    if begun then redis.call('DEL', key) end
    return {now}
end
close(lease)
local used = row[1] - math.max(0, math.min(number, row[1]))
if used > 0 then
    local grain = math.max(1, math.floor(window / grains))
    local until_ = math.ceil((math.min(now + 1, row[2]) + window) / grain) * grain
    redis.call('HINCRBY', key, 's:' .. text(until_), text(used))
end
return {now}
"""

_BACK_BUCKET = """
if begun then
    redis.call('DEL', key)
    return {now}
end
advance()
local row = opened[lease]
if row then
    close(lease)
    level = level + math.max(0, math.min(number, row[1])) * window
end
finish(math.ceil(size * window / amount) + 2)
return {now}
"""

_GET = "return {0, redis.call('HGET', KEYS[2], ARGV[4]), redis.call('HGET', KEYS[3], ARGV[4])}"

_PUT = """
if (redis.call('HGET', KEYS[3], ARGV[4]) or '0') ~= ARGV[5] then return {0, 0} end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[6])
redis.call('HSET', KEYS[3], ARGV[4], text(changed()))
return {0, version}
"""

_DELETE = """
local at = redis.call('HGET', KEYS[3], ARGV[4])
if not at or at ~= ARGV[5] then return {0, 0} end
redis.call('HDEL', KEYS[2], ARGV[4])
redis.call('HDEL', KEYS[3], ARGV[4])
return {0, changed()}
"""

_LIST = """
local found, rows, prefix = {0}, redis.call('HGETALL', KEYS[2]), ARGV[4]
for i = 1, #rows, 2 do
    if string.sub(rows[i], 1, #prefix) == prefix then
        found[#found + 1] = rows[i]
        found[#found + 1] = rows[i + 1]
        found[#found + 1] = redis.call('HGET', KEYS[3], rows[i]) or '0'
    end
end
return found
"""

_VERSION = "return {0, version}"

_ADD = """
local count = tonumber(redis.call('HGET', KEYS[2], ARGV[4]) or '0')
if tonumber(ARGV[5]) > tonumber(ARGV[6]) - count then return {0} end
return {0, redis.call('HINCRBY', KEYS[2], ARGV[4], ARGV[5])}
"""

_COUNTS = """
local found, rows, prefix = {0}, redis.call('HGETALL', KEYS[2]), ARGV[4]
for i = 1, #rows, 2 do
    if rows[i + 1] ~= '0' and string.sub(rows[i], 1, #prefix) == prefix then
        found[#found + 1] = rows[i]
        found[#found + 1] = rows[i + 1]
    end
end
return found
"""

_RESET = """
local count = redis.call('HGET', KEYS[2], ARGV[4]) or '0'
redis.call('HDEL', KEYS[2], ARGV[4])
return {0, count}
"""

_TAKE = {Kind.SLIDING: _LEDGER + _TAKE_SLIDING, Kind.BUCKET: _LEDGER + _TAKE_BUCKET}
_LOST = "MCPGUARD lost"
_OTHER_LIMIT = "MCPGUARD other limit"

_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading an answer of another shape ends in, in the client library or here."""

T = TypeVar("T")
Argument: TypeAlias = str | int | bytes

_BACK = {Kind.SLIDING: _LEDGER + _BACK_SLIDING, Kind.BUCKET: _LEDGER + _BACK_BUCKET}


class RedisStore:
    """A `Store` in the Redis at `url` (`redis://`, `rediss://`, `unix://`).

    Connects at once. Raises StoreError when the server cannot be reached, evicts keys, or holds a
    store of a newer mcpguard. Nothing is tried twice: what became of a lost request is unknown, and
    the caller decides what that means.
    """

    def __init__(self, url: str, *, prefix: str = PREFIX) -> None:
        self._prefix = prefix
        self._lock = threading.Lock()
        self._now = 0
        self._version = 0
        self._closed = False
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_connect_timeout=CONNECT,
                socket_timeout=REPLY,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise StoreError(
                "the Redis store: its URL cannot be understood",
                hint="write redis://HOST:PORT/DB, rediss://... or unix:///PATH",
            ) from error
        at = self._client.connection_pool.connection_kwargs
        where = at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"
        self._place = f"the Redis store at {where}"
        self._born = self._begin()

    def take(self, key: str, limit: Limit, units: int, ttl: int) -> Grant:
        check_key(key)
        check(limit, units, ttl)
        lease = secrets.token_hex(8)

        def read(told: Sequence[Any]) -> Grant:
            granted, retry = map(_whole, told)
            if granted > units:
                raise ValueError("more units than were asked for")
            return Grant(lease, granted, ttl) if granted else Grant("", 0, 0, retry)

        return self._count(_TAKE, key, limit, read, lease, units, ttl)

    def give_back(self, key: str, limit: Limit, lease: str, unused: int) -> None:
        check_key(key)
        check(limit, 1, 1)
        self._count(_BACK, key, limit, _nothing, lease, max(0, unused), 1)

    def get(self, key: str) -> Value | None:
        check_key(key)
        return self._state(_GET, _one, key)

    def put(self, key: str, value: Json, expected: int) -> int | None:
        check_key(key)
        return self._state(_PUT, self._change, key, expected, packed(value)) or None

    def delete(self, key: str, expected: int) -> int | None:
        check_key(key)
        return self._state(_DELETE, self._change, key, expected) or None

    def list(self, prefix: str) -> dict[str, Value]:
        check_prefix(prefix)
        return self._state(_LIST, _values, prefix)

    def version(self) -> int:
        return self._state(_VERSION, self._change)

    def add(self, counter: str, by: int, most: int = MAX_COUNT) -> int | None:
        check_key(counter)
        check_amount(by)
        read = _first_count
        return self._run(_ADD, ("counters",), read, counter, by, min(most, MAX_COUNT))

    def counts(self, prefix: str) -> dict[str, int]:
        check_prefix(prefix)
        return self._run(_COUNTS, ("counters",), _counted, prefix)

    def reset(self, counter: str) -> int:
        check_key(counter)
        return self._run(_RESET, ("counters",), _first_count, counter) or 0

    def close(self) -> None:
        self._closed = True
        self._client.close()

    def _begin(self) -> bytes:
        """The mark that the store got at its birth, from whoever was first."""
        with self._told():
            memory = self._client.info("memory")
            mark = secrets.token_hex(16)
            meta = f"{self._prefix}:meta"
            schema, born = self._client.register_script(_OPEN)(keys=[meta], args=[SCHEMA, mark])
            evicts = memory["maxmemory"] and memory["maxmemory_policy"] != "noeviction"
            schema, born = memoryview(schema).tobytes(), memoryview(born).tobytes()
        if evicts:
            raise StoreError(
                f"{self._place}: it evicts keys when memory is short, which would free units",
                hint="set maxmemory-policy to noeviction, or maxmemory to 0",
            )
        if schema != SCHEMA.encode():
            raise StoreError(
                f"{self._place}: a store of schema {schema!r}, this mcpguard reads {SCHEMA}",
                hint="use the mcpguard that made it, or another database number",
            )
        return born

    def _count(  # noqa: PLR0917 - the one list of what both scripts take
        self,
        scripts: Mapping[Kind, str],
        key: str,
        limit: Limit,
        read: Callable[[Sequence[Any]], T],
        lease: str,
        units: int,
        ttl: int,
    ) -> T:
        kind, amount, window, size = limit.kind, limit.amount, limit.window, limit.size
        numbers = (kind.value, amount, window, size, lease, units, ttl, GRAIN)
        return self._run(scripts[kind], (f"limit:{key}",), read, *numbers)

    def _state(self, script: str, read: Callable[[Sequence[Any]], T], *arguments: Argument) -> T:
        return self._run(script, ("values", "versions"), read, *arguments)

    def _change(self, told: Sequence[Any]) -> int:
        """The version of the latest change, or 0."""
        (version,) = map(_whole, told)
        self._saw(0, version)
        return version

    def _run(
        self,
        script: str,
        keys: Iterable[str],
        read: Callable[[Sequence[Any]], T],
        *arguments: Argument,
    ) -> T:
        """One script. Its answer begins with the server's time, or 0; `read` gets the rest."""
        if self._closed:
            raise StoreError(f"{self._place} is closed", hint="open it again")
        with self._lock:
            seen = (self._born, self._now, self._version)
        names = [f"{self._prefix}:{name}" for name in ("meta", *keys)]
        with self._told():
            run = self._client.register_script(_GUARD + script)
            reply = run(keys=names, args=[*seen, *arguments])
            if not isinstance(reply, list):
                raise TypeError("not a list")
            now, *told = reply
            self._saw(_whole(now), 0)
            return read(told)

    def _saw(self, now: int, version: int) -> None:
        with self._lock:
            self._now = max(self._now, now)
            self._version = max(self._version, version)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever the server or the network says, as a StoreError without the URL's password."""
        try:
            yield
        except redis.ResponseError as error:
            raise self._refused(str(error)) from error
        except redis.RedisError as error:
            raise StoreError(
                f"{self._place} cannot be reached: {type(error).__name__}",
                hint="start it, or look at the store's URL and the network",
            ) from error
        except _UNREADABLE as error:
            raise StoreError(
                f"{self._place} answers what no Redis answers there: {type(error).__name__}",
                hint="look at the store's URL and at what listens there",
            ) from error

    def _refused(self, said: str) -> StoreError:
        if said.startswith(_OTHER_LIMIT):
            return other_limit("this key")
        if said.startswith(_LOST):
            return StoreError(
                f"{self._place} lost what it had acknowledged",
                hint="set appendonly yes there, look at what it kept, start this proxy again",
            )
        return StoreError(
            f"{self._place} refused: {said}", hint="look at its log, its rights and its memory"
        )


def _nothing(told: Sequence[Any]) -> None:
    """What a script answers that only changes something."""
    if told:
        raise ValueError("an answer to nothing")


def _whole(number: object) -> int:
    """Raises ValueError for what is no number of units, milliseconds or changes."""
    if not isinstance(number, int) or number < 0:
        raise ValueError("not a whole number from 0")
    return number


def _one(told: Sequence[Any]) -> Value | None:
    raw, version = told
    return None if raw is None else Value(orjson.loads(raw), int(version))


def _values(told: Sequence[Any]) -> dict[str, Value]:
    rows = zip(told[::3], told[1::3], told[2::3], strict=True)
    found = {key.decode(): Value(orjson.loads(raw), int(at)) for key, raw, at in rows}
    return dict(sorted(found.items()))


def _counted(told: Sequence[Any]) -> dict[str, int]:
    found = {key.decode(): int(count) for key, count in zip(told[::2], told[1::2], strict=True)}
    return dict(sorted(found.items()))


def _first_count(told: Sequence[Any]) -> int | None:
    """None where the script counted nothing."""
    if not told:
        return None
    (count,) = told
    return int(count)
