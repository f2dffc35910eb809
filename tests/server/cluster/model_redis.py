"""A Redis that is the model of the script: servers of one process ask it, without I/O."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio

from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.redis_checks import LAYOUT

from .script_model import ScriptModel

INFO: Final = b"redis_version:7.0.0\r\nrole:master\r\nrun_id:model\r\n"

_SCRIPT: Final = Path(cluster_server.__file__).with_name("cluster.lua").read_text()

#: How many arguments each operation has, as the script says.
ARGUMENTS: Final = {
    name: int(count)
    for name, count in re.findall(
        r"(\w) = (\d+)", _SCRIPT.partition("local arguments = {")[2].partition("}")[0]
    )
}


class ModelRedis:
    """All servers that are connected to it are of one cluster."""

    def __init__(self) -> None:
        self.model = ScriptModel()
        self._channels: dict[str, Callable[[list[Any]], None]] = {}
        self._servers: dict[str, None] = {}

    @asynccontextmanager
    async def open(
        self, _: object, on_push: Callable[[list[Any]], None], *__: object, seconds: float
    ) -> AsyncIterator[ModelConnection]:
        """As `redis_connection.open_redis`."""
        await trio.lowlevel.checkpoint()
        yield ModelConnection(self, on_push)

    def subscribe(self, channel: str, on_push: Callable[[list[Any]], None]) -> None:
        self._channels[channel] = on_push

    def evaluate(self, prefix: str, server: str, limits: list[int], words: list[Any]) -> list[Any]:
        """Do a batch, and tell the other servers."""
        operations: list[tuple[Any, ...]] = []
        while words:
            name, *words = words
            operations.append((name, *words[: ARGUMENTS[name]]))
            words = words[ARGUMENTS[name] :]
        if operations[0][0] == "h":
            is_known, self._servers[server] = int(server in self._servers), None
            return [[[self.model.generation, is_known, self.model.owned(server)]], b""]
        self.model.most_messages, self.model.most_bytes, self.model.most_peers = limits
        answers: list[Any] = []
        told: dict[str, list[bytes]] = {}
        for name, *arguments in operations:
            if name == "t":
                answers.append(self.renew(server))
                continue
            if name == "d":
                self.model.bury(server)
                answers.append(0)
                continue
            converted = _converted(getattr(self.model, f"do_{name}"), arguments)
            (answer,), _ = self.model.batch(server, [(name, *converted)])
            answers.append(answer)
            for other, items in self.model.told.items():
                told.setdefault(other, []).extend(items)
        own = b"".join(told.pop(server, []))
        for other, items in told.items():
            channel = f"{prefix}q:{other}"
            self._channels[channel]([b"message", channel.encode(), b"".join(items)])
        return [answers, own]

    def renew(self, server: str) -> list[int]:
        """Renew the lease of a server, which here never ends."""
        assert server in self._servers
        return [0, len(self._servers), 0]


class ModelConnection:
    """As `redis_connection.RedisConnection`."""

    def __init__(self, redis: ModelRedis, on_push: Callable[[list[Any]], None]):
        self._redis = redis
        self._on_push = on_push

    async def subscribe(self, channel: str) -> None:
        await trio.lowlevel.checkpoint()
        self._redis.subscribe(channel, self._on_push)

    async def request(self, *words: Any, then: Callable[[Any], None] | None = None) -> Any:
        await trio.lowlevel.checkpoint()
        answer = self._answer(list(words))
        if then is not None:
            then(answer)
        return answer

    def _answer(self, words: list[Any]) -> Any:
        match words:
            case ["INFO", *_]:
                return INFO
            case ["SET", *_]:
                return b"OK"
            case ["GET", *_]:
                return LAYOUT.encode()
            case ["TYPE", *_]:
                return b"none"
            case ["SCRIPT", *_]:
                return b"digest"
            case ["EVALSHA", _, 1, prefix, server, _, *rest]:
                return self._redis.evaluate(prefix, server, rest[:3], rest[3:])
        raise AssertionError(words)


def _converted(do: Callable[..., Any], arguments: list[Any]) -> list[Any]:
    """What a server has said, as the model takes it."""
    parameters = list(inspect.signature(do).parameters.values())[1:]
    return [
        _convert(parameter.annotation, argument)
        for parameter, argument in zip(parameters, arguments, strict=True)
    ]


def _convert(kind: str, value: Any) -> Any:
    if kind == "int":
        return int(value)
    data = value if isinstance(value, bytes) else str(value).encode()
    return data if kind == "bytes" else data.decode()
