"""The script does in a real Redis what its model does."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trio_rtc.server.cluster import cluster_server

from ...redis_server import RedisProcess, needs_redis
from .script_model import MOST_BYTES, MOST_MESSAGES, MOST_PEERS, ScriptModel

pytestmark = needs_redis

SERVERS = ("one", "other")

_runs = itertools.count()


class Script:
    """The script in a Redis, with keys of its own."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._reader = hiredis.Reader()
        self._text = Path(cluster_server.__file__).with_name("cluster.lua").read_text()
        self._prefix = f"script-{next(_runs)}:"
        self._batch = 0
        self.ask("SET", f"{self._prefix}gen", "1")
        for server in SERVERS:
            self.ask("ZADD", f"{self._prefix}servers", "1e15", server)

    def ask(self, *words: Any) -> Any:
        self._connection.sendall(hiredis.pack_command(words))
        while (got := self._reader.gets()) is False:
            self._reader.feed(self._connection.recv(65536))
        assert not isinstance(got, Exception), got
        return got

    def new_generation(self, number: int) -> None:
        self.ask("SET", f"{self._prefix}gen", str(number))

    def batch(self, server: str, operations: list[tuple[Any, ...]], *, again: bool = False) -> Any:
        self._batch += not again
        words = [word for operation in operations for word in operation]
        limits = MOST_MESSAGES, MOST_BYTES, MOST_PEERS
        head = "EVAL", self._text, 1, self._prefix, server, self._batch
        return self.ask(*head, *limits, *words)


@pytest.fixture(scope="module")
def connection(shared_redis: RedisProcess) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(shared_redis.socket)
        yield connection


ids = st.integers(1, 4)
epochs = st.sampled_from([1, 1, 1, 1, 2, 0])
rooms = st.sampled_from([b"", b"room"])
numbers = st.integers(0, 5)
bodies = st.binary(max_size=20).map(lambda body: b"M " + body)

operations = st.one_of(
    st.tuples(
        st.just("j"),
        st.sampled_from([b"native", b"peerjs"]),
        st.sampled_from([b"", b"name", b"\xff"]),
        rooms,
        st.sampled_from([b"", b"key", b"other\0key"]),
        st.sampled_from([b"", b"state", b"s" * 64, b"t" * 65, b"u" * 600]),
        st.just("60"),
    ),
    st.tuples(st.just("s"), ids, epochs, numbers, ids, bodies),
    st.tuples(st.just("s"), ids, st.just(0), st.just(0), ids, bodies),
    st.tuples(st.just("s"), ids, st.just(0), numbers, ids, st.just(b"M ")),
    st.tuples(
        st.just("r"), ids, epochs.filter(bool), numbers.filter(bool),
        st.lists(st.tuples(ids, numbers), max_size=2).map(
            lambda pairs: " ".join(f"{sender} {number}" for sender, number in pairs)
        ),
    ),
    st.tuples(st.just("o"), ids, epochs.filter(bool), bodies),
    st.tuples(st.just("a"), ids, epochs.filter(bool), numbers, st.just(0)),
    st.tuples(st.just("l"), ids, epochs),
    st.tuples(st.just("f"), st.sampled_from([b"native", b"peerjs"]), st.sampled_from(
        [b"i1", b"i2", b"kkey", b"kother\0key"]
    )),
    st.tuples(
        st.just("x"), ids, epochs.filter(bool), numbers,
        st.sampled_from([b"state", b"state", b"", b"v" * 130]), st.sampled_from([b"", b"w" * 130])
    ),
    st.tuples(st.just("n"), ids, epochs.filter(bool), st.sampled_from([b"", b"v" * 130])),
    st.tuples(st.just("y"), ids, epochs.filter(bool), numbers, numbers),
    st.tuples(st.just("m"), rooms),
)  # fmt: skip

batches = st.lists(
    st.tuples(
        st.sampled_from(SERVERS), st.lists(operations, min_size=1, max_size=4), st.integers(0, 9)
    ),
    min_size=10,
    max_size=40,
)

#: Otherwise hardly anybody would be there.
PROLOGUE = [
    ("one", [("j", b"native", b"a", b"room", b"key", b"state", "60")], 2),
    ("other", [("j", b"native", b"b", b"room", b"", b"", "60")], 2),
    ("one", [("j", b"peerjs", b"c", b"room", b"", b"", "60")], 2),
]


@given(batches)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_script_is_as_its_model(
    connection: socket.socket, done: list[tuple[str, list[tuple[Any, ...]], int]]
) -> None:
    script, model = Script(connection), ScriptModel()
    for server, batch, chance in [*PROLOGUE, *done]:
        if chance == 0:
            # Another Redis has taken over.
            model.generation += 1
            script.new_generation(model.generation)
        expected = model.batch(server, batch)
        answers, items = script.batch(server, batch)
        assert (answers, items) == expected
        if chance == 1:
            # It comes again, as its answer was lost: it is not done again.
            assert script.batch(server, batch, again=True) == [answers, b""]


def test_a_server_that_was_given_up_does_nothing(connection: socket.socket) -> None:
    script = Script(connection)
    assert script.batch("third", [("m", b"")]) == [b"gone"]
