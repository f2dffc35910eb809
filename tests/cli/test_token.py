"""``trio-rtc token create``: one line, or one line of why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_rtc.cli.commands.token_options import TokenOptions, create

from ..processes import client, command


async def test_a_server_admits_whoever_has_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef" * 4 + "\n")
    async with (
        command(
            *("token", "create", "--key-file", str(key), "--name", "alice", "--room", "den")
        ) as creating,
        command(
            *("server", "--host", "127.0.0.1", "--port", "0", "--jwt-key-file", str(key))
        ) as serving,
    ):
        assert await creating.exit_status() == 0, creating.errors
        (token,) = creating.lines
        url = (await serving.line("listening on")).split()[-1].replace("http", "ws")
        words = ("--json", "--token", token, "--timeout", "20")
        async with client(url, "alice", *words) as alice:
            assert (await alice.event("signed_in"))["name"] == "alice"
        async with client(url, "mallory", *words) as mallory:
            await mallory.event("error", code="forbidden")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"\n", "there is no key in it"),
        (b"\xff", "is not a text"),
        (b"short", "the key is too weak"),
    ],
)
def test_a_key_that_is_none(
    content: bytes | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    assert create.function(TokenOptions(key_file=key)) == 1
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("trio-rtc token create: ")
    assert why in errors
    assert errors.count("\n") == 1
