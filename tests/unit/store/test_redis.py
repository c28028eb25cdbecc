"""What is Redis's own: a server that is away, silent, emptied, or another program's."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from mcpguard.errors import StoreError
from mcpguard.store import ABSENT
from mcpguard.store.ledger import Kind, Limit
from mcpguard.store.redis import CONNECT, REPLY, RedisStore
from tests.unit.store.backends import RedisServer, answering, uses

HOUR = Limit(10, 3_600_000)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer("--appendonly", "yes")
    yield server
    server.close()


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    store = RedisStore(server.url)
    yield store
    store.close()


def test_an_unreachable_server_is_an_error_that_keeps_the_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            RedisStore(f"redis://operator:hunter2@127.0.0.1:{port}/0")
    assert f"127.0.0.1:{port}" in caught.value.message
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_without_the_package_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from mcpguard.errors import StoreError\n"
        "from mcpguard.store import BACKENDS\n"
        "try: BACKENDS['redis']('redis://localhost')\n"
        "except StoreError as error: print(error.message)"  # a session says no hint of a loss
    )
    told = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert "mcpguard-daemon[redis]" in told


def test_a_url_of_another_kind_is_an_error_that_keeps_the_password() -> None:
    with pytest.raises(StoreError, match="URL") as caught:
        RedisStore("https://operator:hunter2@localhost")
    assert "hunter2" not in str(caught.value)


def test_a_server_that_died_grants_nothing_and_one_that_came_back_remembers(
    server: RedisServer, store: RedisStore
) -> None:
    store.take("k", HOUR, 6, 1000)
    store.put("block/a", "operator", ABSENT)
    server.kill()
    for use in uses(store):
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            use()
        assert caught.value.hint
    server.restart()
    assert store.take("k", HOUR, 9, 1000).units == 4
    assert [value.value for value in store.list("block/").values()] == ["operator"]


def test_a_server_that_says_nothing_is_an_error_within_its_time(
    server: RedisServer, store: RedisStore
) -> None:
    assert CONNECT + REPLY <= 2
    server.stop_answering()
    with pytest.raises(StoreError, match="cannot be reached: Timeout"):
        store.take("k", HOUR, 1, 1000)


SHAPES = {
    "text": b"+OK\r\n",
    "a number": b":1\r\n",
    "nothing": b"$-1\r\n",
    "an empty list": b"*0\r\n",
    "numbers": b"*3\r\n:1\r\n:99\r\n:0\r\n",
    "negative": b"*3\r\n:0\r\n:-5\r\n:-5\r\n",
    "lists in lists": b"*3\r\n*0\r\n*0\r\n*0\r\n",
    "texts": b"*4\r\n:0\r\n$1\r\nk\r\n$1\r\n{\r\n$1\r\nx\r\n",
    "too deep": b"*1\r\n" * 20_000,
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}
MEMORY = b"$13\r\nmaxmemory:0\r\n\r\n"
BEGUN = b"*2\r\n$1\r\n1\r\n$4\r\nborn\r\n"


@pytest.mark.parametrize("answer", SHAPES.values(), ids=SHAPES)
def test_a_server_that_is_no_redis_is_an_error(answer: bytes) -> None:
    with answering(answer, greets=False) as url, pytest.raises(StoreError) as caught:
        RedisStore(url)
    assert caught.value.hint


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_of_another_shape_is_an_error_and_grants_nothing(shape: str) -> None:
    for number in range(10):
        with answering(MEMORY, BEGUN, SHAPES[shape]) as url:
            store = RedisStore(url)
            with pytest.raises(StoreError):
                uses(store)[number]()
            store.close()


def test_a_value_that_is_no_json_is_an_error(server: RedisServer, store: RedisStore) -> None:
    store.put("k", 1, ABSENT)
    server.do("HSET", "{mcpguard}:values", "k", "{")
    for use in (lambda: store.get("k"), lambda: store.list("")):
        with pytest.raises(StoreError, match="answers what no Redis answers"):
            use()


def emptied(server: RedisServer) -> None:
    server.do("FLUSHALL")


def begun_anew(server: RedisServer) -> None:
    server.do("FLUSHALL")
    RedisStore(server.url).close()


def of_an_earlier_time(server: RedisServer) -> None:
    server.do("HINCRBY", "{mcpguard}:meta", "now", "-5000")


def of_an_earlier_version(server: RedisServer) -> None:
    server.do("HINCRBY", "{mcpguard}:meta", "version", "-1")


@pytest.mark.guarantee("store:lost-data-is-an-error")
@pytest.mark.parametrize("lose", [emptied, begun_anew, of_an_earlier_time, of_an_earlier_version])
def test_a_server_that_forgot_what_was_seen_is_an_error_for_good(
    server: RedisServer, store: RedisStore, lose: Callable[[RedisServer], None]
) -> None:
    store.take("k", HOUR, 10, 1000)
    store.put("kill", True, ABSENT)
    lose(server)
    for use in uses(store) * 2:
        with pytest.raises(StoreError, match="lost what it had acknowledged") as caught:
            use()
        assert "appendonly yes" in caught.value.hint


@pytest.mark.guarantee("store:clock-never-back")
@pytest.mark.parametrize("kind", Kind)
def test_a_clock_that_went_back_frees_no_units(
    server: RedisServer, store: RedisStore, kind: Kind
) -> None:
    """An hour ahead was seen once: the server's clock is now an hour behind what is kept."""
    limit = Limit(10, 60_000, kind)
    store.take("other", limit, 1, 1)
    server.do("HINCRBY", "{mcpguard}:meta", "now", "3600000")
    assert store.take("k", limit, 10, 1).units == 10
    assert store.take("k", limit, 1, 1).units == 0


def test_a_store_of_a_newer_schema_is_not_touched(server: RedisServer, store: RedisStore) -> None:
    server.do("HSET", "{mcpguard}:meta", "schema", "2")
    with pytest.raises(StoreError, match="schema"):
        RedisStore(server.url)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_server_that_evicts_is_refused(server: RedisServer, policy: str) -> None:
    server.do("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", policy)
    with pytest.raises(StoreError, match="evicts"):
        RedisStore(server.url)
    server.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
    RedisStore(server.url).close()


def test_a_server_without_memory_is_an_error_and_grants_nothing(
    server: RedisServer, store: RedisStore
) -> None:
    server.do("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreError, match="refused") as caught:
        store.take("k", HOUR, 1, 1000)
    assert caught.value.hint
    server.do("CONFIG", "SET", "maxmemory", "0")
    assert store.take("k", HOUR, 99, 1000).units == 10


def test_two_prefixes_are_two_stores(server: RedisServer, store: RedisStore) -> None:
    other = RedisStore(server.url, prefix="{other}")
    assert (store.take("k", HOUR, 9, 1000).units, other.take("k", HOUR, 9, 1000).units) == (9, 9)
    other.close()


def test_every_key_of_a_limit_ends_when_it_says_nothing_more(
    server: RedisServer, store: RedisStore
) -> None:
    for kind in Kind:
        limit = Limit(4, 50, kind)
        lease = store.take(kind, limit, 3, 10).lease
        store.give_back(kind, limit, lease, 1)
        store.give_back(f"never {kind}", limit, "lease", 1)
        left = int(server.do("PTTL", f"{{mcpguard}}:limit:{kind}"))
        assert left <= 10 + 2 * 50 + 2
        assert left != -1
    assert "never" not in server.do("KEYS", "*")
