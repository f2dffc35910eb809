"""The page's routes: what they serve, and what browsers are told about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import trio_rtc

from ..harness import Answer, memory_server, parse_head

FILES = Path(trio_rtc.__file__).parent / "page"
NAMES = sorted(path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file())


async def ask(request: str, **options: object) -> Answer:
    async with memory_server(**options) as server:
        client = await server.connect()
        await client.send(f"{request}\nConnection: close\n\n".replace("\n", "\r\n").encode())
        received = b""
        async for data in client.stream:
            received += data
        await client.stream.aclose()
        server.scope.cancel()
    head, _, body = received.partition(b"\r\n\r\n")
    answer = parse_head(head)
    return Answer(answer.status, answer.reason, answer.headers, body)


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_is_served(name: str) -> None:
    path = "" if name == "index.html" else name
    answer = await ask(f"GET /{path} HTTP/1.1\nHost: x")
    assert (answer.status, answer.body) == (200, (FILES / name).read_bytes())
    kind = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    assert (answer.header("Content-Type") or "").startswith(kind[name.rpartition(".")[2]])
    assert answer.header("X-Content-Type-Options") == "nosniff"


async def test_what_the_browser_has_is_not_sent_again() -> None:
    first = await ask("GET / HTTP/1.1\nHost: x")
    tag = first.header("ETag")
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await ask(f"HEAD / HTTP/1.1\nHost: x\nIf-None-Match: {given}")
        assert (again.status, again.header("ETag")) == (304, tag)
        assert again.header("Content-Length") == str(len(first.body))
    changed = await ask('GET / HTTP/1.1\nHost: x\nIf-None-Match: "other"')
    assert (changed.status, changed.body) == (200, first.body)
    assert first.header("Cache-Control") == "no-cache"


async def test_the_page_may_load_nothing_from_elsewhere() -> None:
    answer = await ask("GET / HTTP/1.1\nHost: x")
    policy = answer.header("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_other_methods_are_refused() -> None:
    answer = await ask("POST / HTTP/1.1\nHost: x\nContent-Length: 0")
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")


async def test_the_page_is_shown_to_those_who_may_not_connect() -> None:
    for path, status in [("/", 200), ("/page.js", 200), ("/healthz", 403), ("/sign_in?a", 403)]:
        request = f"GET {path} HTTP/1.1\nHost: x\nOrigin: http://x"
        assert (await ask(request, origins=["https://example.org"])).status == status


async def test_without_the_page() -> None:
    for path in ("/", "/trio-rtc.js"):
        assert (await ask(f"GET {path} HTTP/1.1\nHost: x", page=False)).status == 404


@pytest.mark.parametrize("name", NAMES)
def test_files_name_only_files_that_there_are(name: str) -> None:
    text = (FILES / name).read_text()
    named = re.findall(r'(?:from|src=|href=)\s*"([\w./-]+\.(?:js|css|svg))"', text)
    folder = (FILES / name).parent
    assert {(folder / one).resolve() for one in named} <= {FILES / one for one in NAMES}
