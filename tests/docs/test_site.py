"""The site: built with warnings as errors, whole, and made of nothing that comes from elsewhere."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html import unescape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import trio

import trio_rtc

from ..browser.browsers import MISSING as NO_BROWSER
from ..browser.conftest import chromium as chromium
from ..listening import listening
from ..node import PACKAGES
from ..peerjs.chromium import open_browser
from ..ports import free_port
from .pages import ROOT

MISSING = ""
if "CI" not in os.environ:
    if find_spec("mkdocs") is None or find_spec("mkdocstrings") is None:
        MISSING = "MkDocs is not installed (pip install -e .[docs])"
    elif not (PACKAGES / "mermaid").is_dir():
        MISSING = "Mermaid is not installed (npm install --prefix tests)"

#: What programs import from, beside `trio_rtc` itself.
MODULES = ("peerjs", "rtc", "server", "server.authorize", "signaling", "testing")


async def build(site: Path) -> None:
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    options = ["--strict", "--quiet", "--site-dir", str(site)]
    for command in (["-m", "mkdocs", "build", *options], ["scripts/docs_site/check.py", str(site)]):
        done = await trio.run_process(
            [sys.executable, *command],
            cwd=ROOT, env=environment, check=False, capture_stdout=True, capture_stderr=True,
        )  # fmt: skip
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def shown(names: set[str]) -> Iterator[str]:
    """Those of the names that have a place in a reference; each is there once."""
    for name in names:
        yield re.sub(r"^trio_rtc\.(.+\.)?", "", name)


def names_of(module: str) -> set[str]:
    """What a module of ours defines, and what it imports for others."""
    loaded = import_module(f"trio_rtc.{module}")
    text = Path(str(loaded.__file__)).read_text()
    return set(re.findall(r"(?m)^from \.\S+ import \w+ as ([A-Za-z]\w+)", text)) | {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == loaded.__name__
    }


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
@pytest.mark.timeout(300)
async def test_the_site(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    site = tmp_path / "site"
    await build(site)
    places: set[str] = set()
    for path in (site / "reference").glob("*.html"):
        places |= set(re.findall(r'<h2 id="(trio_rtc\.[\w.]+)"', path.read_text()))
    assert {f"trio_rtc.{name}" for name in trio_rtc.__all__} <= places
    for module in MODULES:
        assert names_of(module) <= set(shown(places)), module
    # Keyword arguments are those that `help` shows, with what they are for.
    page = unescape(re.sub(r"<[^>]*>", "", (site / "reference" / "calls.html").read_text()))
    assert "silence_timeout: float = 5.0" in re.sub(r"\s+", " ", page)
    assert "Unpack[" not in page
    # Language models find the text of each page.
    listed = (site / "llms.txt").read_text()
    for guide in (ROOT / "docs").rglob("*.md"):
        assert f"({guide.relative_to(ROOT / 'docs')})" in listed
    if not NO_BROWSER:
        await look_at(site, tmp_path, request.getfixturevalue("chromium"))


@asynccontextmanager
async def served(site: Path, folder: Path) -> AsyncIterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    async with listening(command, site, folder / "http.log", ("127.0.0.1", port)):
        yield f"http://127.0.0.1:{port}"


async def look_at(site: Path, folder: Path, chromium: str) -> None:
    """In a browser: figures are drawn, the search finds, and all of it comes from the site."""
    with trio.fail_after(200):
        async with served(site, folder) as url, open_browser(chromium) as browser:
            page = await browser.open_page(f"{url}/design.html")
            # The figure is in a shadow root that is closed: what is seen of it is its height.
            await page.run(
                "while (!(document.querySelector('div.mermaid')?.offsetHeight > 300))"
                " await new Promise((resolve) => setTimeout(resolve, 20))"
            )
            await page.run(
                """
                document.querySelector("[data-md-toggle=search]").checked = true;
                const field = document.querySelector("[data-md-component=search-query]");
                field.focus();
                while (!document.querySelector(".md-search-result__item")) {
                  field.value = "barge-in";
                  field.dispatchEvent(new KeyboardEvent("keyup", {bubbles: true}));
                  await new Promise((resolve) => setTimeout(resolve, 50));
                }
                """
            )
            loaded = await page.run(
                "return performance.getEntriesByType('resource').map((one) => one.name)"
            )
            assert [name for name in loaded if not name.startswith(url)] == []
            # The button of a console copies the commands alone.
            page = await browser.open_page(f"{url}/howto/tls.html")
            copied = await page.run(
                """
                const blocks = [...document.querySelectorAll(".language-console code")];
                blocks.forEach((block) => block.setAttribute("data-md-copying", ""));
                return blocks.map((block) => block.innerText).join("");
                """
            )
            assert "\ncurl --silent" in copied
            assert "\nok" not in copied
            assert "$ " not in copied
            assert any(name.endswith("mermaid.min.js") for name in loaded)
            assert page.errors == []
