"""Addresses of a Redis: one server, a Unix socket, or what Sentinels know. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_FORMS: Final = (
    "redis://HOST:PORT/DATABASE, rediss:// with TLS, unix:///PATH, "
    "or redis+sentinel://HOST:PORT,HOST:PORT/NAME"
)


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """Where a Redis is, and how to be let in.

    Attributes:
        hosts: hosts and ports: of the Redis, or of Sentinels; empty for a Unix socket.
        unix_socket: the path of that.
        sentinel_name: by which name Sentinels know it; None if they are not asked.
        tls: whether TLS is spoken.
        database: which database it is.
        user: the user of an access control list; None for the default one.
        password: its password.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    unix_socket: str | None = None
    sentinel_name: str | None = None
    tls: bool = False
    database: int = 0
    user: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        """Where it is, without what nobody is to read."""
        if self.unix_socket is not None:
            return self.unix_socket
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                         for host, port in self.hosts)  # fmt: skip
        return hosts if self.sentinel_name is None else f"{self.sentinel_name} of {hosts}"


def parse_redis_address(
    url: str, *, user: str | None = None, password: str | None = None
) -> RedisAddress:
    """Read the URL of a Redis.

    Args:
        url: see above. A password in it is seen by whoever sees the process.
        user: the user, if it is not in the URL.
        password: the password, if it is not in the URL.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    try:
        user = unquote(parts.username) if parts.username else user
        password = unquote(parts.password) if parts.password else password
        if parts.scheme == "unix":
            database = int(parse_qs(parts.query).get("db", ["0"])[0])
            if parts.netloc.rpartition("@")[2] or not parts.path:
                raise ValueError
            return RedisAddress(
                unix_socket=unquote(parts.path), database=database, user=user, password=password
            )
        scheme, _, sentinel = parts.scheme.partition("+")
        if scheme not in ("redis", "rediss") or sentinel not in ("", "sentinel"):
            raise ValueError
        name, _, rest = parts.path.lstrip("/").partition("/")
        hosts = _hosts(parts, SENTINEL_PORT if sentinel else PORT)
        is_named = bool(name) and not name.isdecimal()
        if is_named != bool(sentinel) or (len(hosts) > 1 and not sentinel):
            raise ValueError
        database = int((rest if sentinel else name) or "0")
    except ValueError:
        raise ValueError(f"no address of a Redis, such as {_FORMS}: {_shown(url)!r}") from None
    return RedisAddress(
        hosts=hosts,
        sentinel_name=unquote(name) if sentinel else None,
        tls=scheme == "rediss",
        database=database,
        user=user,
        password=password,
    )


def _hosts(parts: SplitResult, default: int) -> tuple[tuple[str, int], ...]:
    hosts: list[tuple[str, int]] = []
    for one in parts.netloc.rpartition("@")[2].split(","):
        split = urlsplit(f"//{one}")
        if not split.hostname:
            raise ValueError
        hosts.append((split.hostname, split.port or default))
    return tuple(hosts)


def _shown(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
