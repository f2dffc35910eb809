"""A hostile page on another origin, in a real browser: it gets nothing out of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import trio

from trio_rtc.server import serve_signaling
from trio_rtc.server.http.requests import Request
from trio_rtc.server.http.responses import Response

from ..peerjs.chromium import Page, open_browser
from ..server.harness import tcp_server
from .browsers import HELPERS, House, Visitor, open_house

#: What the attacker says to the victim's browser: a page, and then the service worker for it.
PAGE = b"""<!DOCTYPE html><title>mine</title><script>
document.title = "SCRIPT RUNS";
navigator.serviceWorker.register(location.href).then(
  () => document.title = "WORKER", (error) => document.title = `SCRIPT RUNS, ${error}`);
</script>"""
WORKER = b"self.addEventListener('fetch', e => e.respondWith(new Response('OWNED')))"


def evil(request: Request) -> Response:
    """The attacker's own page."""
    return Response(200, "OK", b"<!DOCTYPE html><title>evil</title>", "text/html")


@asynccontextmanager
async def evil_site() -> AsyncIterator[str]:
    """Another site: the server of the victim is at ``localhost``."""
    async with tcp_server(routes={"/evil": evil}) as port:
        yield f"http://127.0.0.1:{port}/evil"


async def load(page: Page, element: str, url: str) -> None:
    """Have the page load this, and wait for how that ends."""
    await page.run(
        """
        const one = document.createElement(element);
        const ended = new Promise((end) => { one.onload = one.onerror = end; });
        if (element === "script" || element === "img" || element === "iframe") one.src = url;
        document.documentElement.append(one);
        await ended;
        """,
        element=element, url=url,
    )  # fmt: skip


async def settled(page: Page, url: str) -> None:
    """Wait until a navigation to this has ended."""
    while True:
        try:
            href, state = await page.run("return [location.href, document.readyState]")
        except AssertionError:
            href, state = "", ""  # Between two pages there is none.
        if url in href and state == "complete":
            return
        await trio.sleep(0.05)


async def browser_goes(page: Page, url: str) -> None:
    await page.run("location.href = url", url=url)
    await settled(page, url)


async def attacker_says(http: httpx.AsyncClient, house: House, to: int) -> None:
    """The attacker, a classic peer himself, sends a page and a script of his."""
    answer = await http.get(f"{house.url}/sign_in?attacker")
    own = int(answer.headers["pragma"])
    for kind, body in [("text/html", PAGE), ("text/javascript", WORKER)]:
        url = f"{house.url}/message?peer_id={own}&to={to}"
        sent = await http.post(url, content=body, headers={"Content-Type": kind})
        assert sent.status_code == 200


async def is_clean(house: House) -> None:
    """The server's own page is its own, and works."""
    alice = await house.visitor()
    await alice.signed_in("alice")
    assert await alice.run("return (await navigator.serviceWorker.getRegistrations()).length") == 0


async def test_a_message_is_no_page_and_no_service_worker(chromium: str) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            evil_site() as site,
            httpx.AsyncClient(timeout=60) as http,
        ):
            page = (await house.visitor(site)).page
            assert isinstance(page, Page)
            # A picture makes nobody a peer.
            await load(page, "img", f"{house.url}/sign_in?victim")
            assert (await http.get(f"{house.url}/sign_in?observer")).text.count("\n") == 1
            # Suppose that the browser is one all the same.
            victim = int((await http.get(f"{house.url}/sign_in?victim")).headers["pragma"])
            for _ in range(2):
                await attacker_says(http, house, victim)
            assert (await http.get(f"{house.url}/wait?peer_id={victim}")).text.startswith(
                "attacker"
            )
            wait = f"{house.url}/wait?peer_id={victim}"
            await browser_goes(page, wait)
            assert "fetch" in await page.run("return document.body.textContent")
            assert await page.run("return document.title") == ""
            # Not even a script of the right origin makes a worker of it.
            owned = await house.visitor()
            why = await owned.run(
                "return await navigator.serviceWorker.register(url).then(() => '', String)",
                url=wait,
            )
            assert "SecurityError" in why or "TypeError" in why
            await is_clean(house)


async def test_an_answer_that_holds_a_page_is_shown_as_text(chromium: str) -> None:
    """The echo answers a POST, which is a navigation when a form makes it."""
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            evil_site() as site,
            httpx.AsyncClient(timeout=60) as http,
        ):
            page = (await house.visitor(site)).page
            assert isinstance(page, Page)
            victim = int((await http.get(f"{house.url}/sign_in?victim")).headers["pragma"])
            await page.run(
                """
                const form = document.createElement("form");
                Object.assign(form, {method: "POST", action: url, enctype: "text/plain"});
                const field = document.createElement("input");
                Object.assign(field, {name: page, value: ""});
                form.append(field);
                document.documentElement.append(form);
                form.submit();
                """,
                url=f"{house.url}/message?peer_id={victim}&to={victim}", page=PAGE.decode(),
            )  # fmt: skip
            await settled(page, "/message")
            assert await page.run("return document.title") == ""
            # What a script of a foreign page is answered has the type and the policy of a text.
            answered = await http.post(
                f"{house.url}/message?peer_id={victim}&to={victim}", content=PAGE
            )
            assert answered.content == PAGE
            assert answered.headers["Content-Type"] == "text/plain"


async def test_a_page_that_is_not_allowed_reaches_nobody(chromium: str) -> None:
    """Neither without `Origin` nor with it."""
    with trio.fail_after(200):
        async with (
            open_house(chromium, origins=["https://app.example.org"]) as house,
            evil_site() as site,
            httpx.AsyncClient(timeout=60) as http,
        ):
            page = (await house.visitor(site)).page
            assert isinstance(page, Page)
            victim = int((await http.get(f"{house.url}/sign_in?victim")).headers["pragma"])
            for element in ("img", "script", "iframe"):
                for path in ("sign_in?evil", f"sign_out?peer_id={victim}", "metrics"):
                    await load(page, element, f"{house.url}/{path}")
            outcomes = await page.run(
                """
                const tried = [];
                for (const mode of ["no-cors", "cors"])
                  for (const path of paths)
                    tried.push(fetch(`${url}/${path}`, {mode}).then(
                      (response) => response.type === "opaque" || response.status, () => 0));
                for (const path of ["", "peerjs?key=peerjs&id=evil&token=x"])
                  tried.push(new Promise((end) => {
                    const socket = new WebSocket(`${url.replace("http", "ws")}/${path}`);
                    socket.onopen = () => end("open");
                    socket.onerror = () => end(0);
                  }));
                return await Promise.all(tried);
                """,
                url=house.url, paths=["sign_in?evil", f"wait?peer_id={victim}", "peerjs/id"],
            )  # fmt: skip
            # An opaque answer is none: that it is a refusal is seen at the server.
            assert outcomes == [True] * 3 + [0] * 5
            # Nobody has come, and the victim is still there.
            answer = await http.get(f"{house.url}/sign_in?observer")
            assert [line.split(",")[0] for line in answer.text.split()] == [
                "observer",
                "victim",
            ]


async def test_a_name_that_is_rebound_leads_nowhere(chromium: str) -> None:
    """A page whose name has come to be the server's address, and port: one origin with it."""
    with trio.fail_after(200):
        async with open_browser(chromium) as browser, trio.open_nursery() as nursery:
            async with tcp_server(routes={"/evil": evil}) as port:
                page = await browser.open_page(f"http://evil.localhost:{port}/evil")

            async def serve(task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
                await serve_signaling(
                    port, host="127.0.0.1", allowed_hosts=["localhost"], task_status=task_status
                )

            await nursery.start(serve)
            statuses = await page.run(
                """
                const paths = ["", "sign_in?x", "wait?peer_id=1", "metrics", "peerjs/id"];
                return await Promise.all(paths.map((path) =>
                  fetch(`/${path}`).then((response) => response.status)));
                """
            )
            assert statuses == [421] * 5
            visitor = Visitor(browser, await browser.open_page(f"http://localhost:{port}/"))
            await visitor.run(HELPERS)
            await visitor.signed_in("alice")
            nursery.cancel_scope.cancel()
