"""Sessions of Python through nginx and haproxy: they end by the server's own word only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import trio

from trio_rtc import SignalingError
from trio_rtc.peerjs import open_peerjs
from trio_rtc.server import ServerLimits, serve_signaling
from trio_rtc.signaling import classic, open_signaling

from ..ports import free_port
from ..server.harness import tcp_server
from ..signaling import proxy as network
from .proxies import Proxy, haproxy, nginx, nginx_servers
from .sessions import PROTOCOLS, open_session

Way: TypeAlias = Callable[..., AbstractAsyncContextManager[Proxy]]


@pytest.fixture(params=[nginx, haproxy], ids=["nginx", "haproxy"])
def through(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


def silence(through: Way, seconds: float) -> dict[str, Any]:
    """For how long a server may be silent, in this proxy's words."""
    if through is nginx:
        return {"options": f"proxy_read_timeout {seconds}s;"}
    return {"silence": seconds}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_server_that_is_out_of_reach_for_a_moment(
    through: Way, protocol: str, tmp_path: Path
) -> None:
    async with (
        tcp_server() as port,
        network.open_proxy(port) as (path, behind),
        through(tmp_path, behind) as proxy,
        open_session(protocol, proxy.port) as alice,
    ):
        path.up = False
        path.cut()
        await proxy.answered(502)
        path.up = True
        await alice.exchange(port)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_server_that_hangs_for_a_moment(
    through: Way, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trio_rtc.signaling.native_connection.PING_SECONDS", 0.2)
    monkeypatch.setattr("trio_rtc.peerjs.server_connection.HEARTBEAT_SECONDS", 0.2)
    async with (
        tcp_server() as port,
        network.open_proxy(port) as (path, behind),
        through(tmp_path, behind, **silence(through, 2)) as proxy,
        open_session(protocol, proxy.port) as alice,
    ):
        path.stall()
        with pytest.MonkeyPatch.context() as hasty:
            # What hangs at a server that does not answer is given up soon.
            for name in ("signaling.native_connection", "peerjs.server_connection"):
                hasty.setattr(f"trio_rtc.{name}.PONG_SECONDS", 0.2)
            await proxy.answered(504)
        path.flow()
        await alice.exchange(port)


async def test_a_session_on_which_nothing_is_said(
    through: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy sees a silence that is as long as its time-out."""
    monkeypatch.setattr(classic, "HANG_SECONDS", 1.0)
    async with (
        tcp_server() as port,
        through(tmp_path, port, **silence(through, 3)) as proxy,
        open_session("classic", proxy.port) as alice,
    ):
        # Longer than it lets anything hang: several waits for news have come back with none.
        while sum("/wait" in line for line in proxy.lines()) < 4:  # noqa: ASYNC110  # A log.
            await trio.sleep(0.05)
        assert [line for line in proxy.lines() if " 504 " in line] == []
        await alice.exchange(port)


async def test_a_proxy_that_lets_nothing_hang_for_as_long_as_we_would(
    through: Way, tmp_path: Path
) -> None:
    async with (
        tcp_server() as port,
        through(tmp_path, port, **silence(through, 3)) as proxy,
        open_session("classic", proxy.port) as alice,
    ):
        await proxy.answered(504)
        await alice.exchange(port)


async def test_a_client_of_the_original_protocol_that_only_listens(
    through: Way, tmp_path: Path
) -> None:
    """It gives up at anything but a 200, and at one that is empty."""
    limits = ServerLimits(poll_seconds=1)
    async with (
        tcp_server(limits=limits) as port,
        through(tmp_path, port, **silence(through, 5)) as proxy,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{proxy.port}", timeout=60) as http,
    ):
        assert (await http.get("/sign_in?alice")).headers["Pragma"] == "1"
        for _ in range(3):
            answer = await http.get("/wait?peer_id=1")
            assert (answer.status_code, answer.headers["Pragma"]) == (200, "1")
            name, _, rest = answer.text.partition(",")
            assert (name, rest) == ("", "0,0\n")


class Restarted:
    """Something that runs in a task: it can be stopped, and started again."""

    def __init__(self, nursery: trio.Nursery, run: Callable[[], AbstractAsyncContextManager[Any]]):
        self._nursery = nursery
        self._open = run

    async def start(self) -> None:
        self._over = trio.Event()
        self._scope: trio.CancelScope = await self._nursery.start(self._run)

    async def stop(self) -> None:
        self._scope.cancel()
        await self._over.wait()

    async def _run(self, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            async with self._open():
                task_status.started(scope)
                await trio.sleep_forever()
        self._over.set()


@asynccontextmanager
async def server_on(port: int) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_signaling, port, host="127.0.0.1", drain_seconds=0.5))
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("protocol", "codes"),
    [
        ("native", {"session_lost"}),
        ("classic", {"server_shutdown", "signed_out"}),
        ("peerjs", None),
    ],
)
async def test_a_server_that_is_started_again(
    through: Way, protocol: str, codes: set[str] | None, tmp_path: Path
) -> None:
    port = free_port()
    async with trio.open_nursery() as nursery:
        server = Restarted(nursery, lambda: server_on(port))
        await server.start()
        async with (
            through(tmp_path, port) as proxy,
            open_session(protocol, proxy.port) as alice,
        ):
            await server.stop()
            if protocol != "classic":
                await proxy.answered(503 if through is haproxy else 502)
            await server.start()
            if codes is None:
                await alice.exchange(port)
            else:
                lost = await alice.wait_lost()
                assert lost.code in codes
                assert lost.fault == "remote"
        nursery.cancel_scope.cancel()


async def test_a_server_that_has_forgotten_us_says_so_itself(through: Way, tmp_path: Path) -> None:
    """nginx takes the server's name out of its answers: it is known all the same."""
    async with (
        tcp_server() as first,
        tcp_server() as second,
        network.open_proxy(first) as (path, behind),
        through(tmp_path, behind) as proxy,
        open_session("classic", proxy.port) as alice,
    ):
        path.target = second
        path.cut()
        lost = await alice.wait_lost()
        assert (lost.code, lost.fault) == ("signed_out", "remote")
        assert "404" in str(lost)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_proxy_that_is_started_again(through: Way, protocol: str, tmp_path: Path) -> None:
    port = free_port()
    async with tcp_server() as server, trio.open_nursery() as nursery:
        proxy = Restarted(nursery, lambda: through(tmp_path, server, port=port))
        await proxy.start()
        async with open_session(protocol, port) as alice:
            await proxy.stop()
            await proxy.start()
            await alice.exchange(server)
        nursery.cancel_scope.cancel()


# To a WebSocket, with and without the slash are two resources, of which the proxy knows one.
@pytest.mark.parametrize(
    ("protocol", "path"),
    [*((protocol, "/rtc/") for protocol in PROTOCOLS), ("classic", "/rtc"), ("peerjs", "/rtc")],
)
async def test_a_server_under_a_path(
    through: Way, protocol: str, path: str, tmp_path: Path
) -> None:
    async with (
        tcp_server() as port,
        through(tmp_path, port) as proxy,
        open_session(protocol, proxy.port, path) as alice,
    ):
        await alice.exchange(port)


async def test_the_least_that_anybody_configures(tmp_path: Path) -> None:
    """HTTP/1.0 to the server, and nothing of WebSocket."""
    front = free_port()
    async with tcp_server() as port:
        servers = (
            f"server {{ listen 127.0.0.1:{front}; "
            f"location / {{ proxy_pass http://127.0.0.1:{port}; }} }}"
        )
        async with nginx_servers(tmp_path, servers, front):
            async with open_session("classic", front) as alice:
                await alice.exchange(port)
            for protocol in ("native", "peerjs"):
                with pytest.raises(SignalingError, match="does not pass WebSocket on"):
                    async with open_session(protocol, front):
                        pass


async def test_a_redirect_is_named(tmp_path: Path) -> None:
    options = "location = /old/ { return 301 https://elsewhere.example/rtc/; }"
    async with tcp_server() as port, nginx(tmp_path, port, options) as proxy:
        with pytest.raises(SignalingError, match=r"wss://elsewhere\.example/rtc/") as raised:
            async with open_signaling(f"ws://127.0.0.1:{proxy.port}/old/", name="alice"):
                pass
        assert raised.value.code == "not_signaling_server"


@pytest.mark.parametrize("options", ["option httpchk", "option httpchk GET /healthz"])
async def test_health_checks_of_haproxy(options: str, tmp_path: Path) -> None:
    check = "check inter 100ms fall 1 rise 1"
    async with (
        tcp_server() as port,
        network.open_proxy(port) as (path, behind),
        haproxy(tmp_path, behind, options, check=check) as proxy,
    ):
        await path.wait_accepted(3)
        async with open_session("classic", proxy.port) as alice:
            # Down by the checks, and up again: what is said meanwhile is a 503.
            path.up = False
            path.cut()
            await proxy.answered(503)
            path.up = True
            await alice.exchange(port)


@pytest.mark.parametrize("scheme", ["ws", "http", "peerjs"])
async def test_a_gateway_without_a_server(through: Way, scheme: str, tmp_path: Path) -> None:
    async with through(tmp_path, free_port()) as proxy:
        with pytest.raises(SignalingError, match=r"50[23]") as raised:
            if scheme == "peerjs":
                async with open_peerjs(f"http://127.0.0.1:{proxy.port}/"):
                    pass
            else:
                async with open_signaling(f"{scheme}://127.0.0.1:{proxy.port}", name="alice"):
                    pass
        assert (raised.value.code, raised.value.fault) == ("server_unreachable", "network")
        assert "<" not in str(raised.value)
