"""``forward`` as processes: a connection by a code, and what is refused."""

from __future__ import annotations

import trio

from ..forwarding.test_forwarding import ask, shout, target
from ..ports import free_port
from ..processes import command, server_here


async def test_a_connection_by_a_code() -> None:
    port = free_port()
    async with target(shout) as to, server_here() as http:
        url = http.replace("http", "ws")
        words = ["forward", "--json", "--server", url]
        async with command(*words, "--allow", to) as waiting:
            said = await waiting.event("code")
            assert said["command"].endswith(said["code"])
            async with command(*words, "-L", f"{port}:{to}", said["code"]) as caller:
                await caller.event("forwarding", listen=f"localhost:{port}", target=to)
                stream = await trio.open_tcp_stream("localhost", port)
                assert await ask(stream, b"hello") == b"HELLO"
                caller.interrupt()
                assert await caller.exit_status() == 130
            assert await waiting.exit_status() == 0, waiting.errors


async def test_what_is_no_forward_is_one_line() -> None:
    async with command("forward", "-L", "nonsense") as failing:
        assert await failing.exit_status() == 2
        [line] = failing.errors.splitlines()
        assert line.startswith("trio-rtc forward: 'nonsense' is not")
