"""What MkDocs calls while it builds the site: pages of other sources, the nav, links, figures."""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import aliases
import nav
import public_names
import reference
import sources
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

MERMAID: Final = sources.ROOT / "tests/node_modules/mermaid/dist/mermaid.min.js"
MERMAID_PAGE: Final = re.compile(r'class="mermaid"')

CODE: Final = re.compile(
    r"(<pre\b.*?</pre>|<a\b.*?</a>|<h\d\b.*?</h\d>)|<code>([A-Za-z_][\w.]*)(\(\))?</code>", re.S
)
"""What is left as it is, or a name in running text."""

_links: dict[str, str] = {}
_markdown: dict[str, str] = {}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of other files, and put all into the nav."""
    types = (reference.TYPES, reference.types_text(aliases.aliases()))
    generated = [*sources.texts(), *reference.texts(), types]
    for path, text in generated:
        files.append(File.generated(config, path, content=text))
    pages = [file.src_uri for file in files.documentation_pages()]
    own = ["reference/index.md", *(page.path for page in reference.PAGES), reference.TYPES]
    config.nav = nav.nav_of(pages, own)
    _links.clear()
    _links.update(_public_links())
    return files


def _public_links() -> dict[str, str]:
    """Under which page and anchor a name in the text is: ``open_call``, ``Call.hang_up``."""
    found: dict[str, str] = {}
    from importlib import import_module

    for name, home in reference.all_names().items():
        page = f"reference/{reference.page_of(home).name}.html"
        module, _, short = name.rpartition(".")
        value = getattr(import_module(module), name.rpartition(".")[2])
        for spelled in {short, name, name.removeprefix("trio_rtc.")}:
            found.setdefault(spelled, f"{page}#{name}")
        if isinstance(value, type):
            for member in vars(value):
                # Attributes that are told in the docstring have no anchor of their own.
                if member.startswith("_") or member in public_names.OF_OUR_OWN.get(short, ()):
                    continue
                if callable(getattr(value, member, None)):
                    found.setdefault(f"{short}.{member}", f"{page}#{name}.{member}")
    return found


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Have links into the project lead to pages of the site."""
    if page.file.generated_by is None:
        folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))
        markdown = sources.rewritten(markdown, folder, page.file.src_uri)
    _markdown[page.file.src_uri] = markdown
    return markdown


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Have each public name in running text lead to the reference."""

    def replace(match: re.Match[str]) -> str:
        target = _links.get(match[2] or "")
        if match[1] or target is None:
            return match[0]
        here = posixpath.dirname(page.file.dest_uri) or "."
        return f'<a class="name" href="{posixpath.relpath(target, here)}">{match[0]}</a>'

    return CODE.sub(replace, html)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Bring the program that draws figures to the pages which have some, from the site itself."""
    if MERMAID_PAGE.search(output):
        here = posixpath.dirname(page.file.dest_uri) or "."
        source = posixpath.relpath("assets/mermaid.min.js", here)
        output = output.replace("</head>", f'<script src="{source}"></script></head>')
    return output


def on_post_build(config: MkDocsConfig) -> None:
    """Write what is no page: the program for figures, and what language models read."""
    site = Path(config.site_dir)
    if not MERMAID.exists():
        raise PluginError("mermaid is missing, which draws figures: npm install --prefix tests")
    shutil.copy(MERMAID, site / "assets" / "mermaid.min.js")
    # It can only know where the site is, and that is anywhere.
    (site / "404.html").unlink()
    (site / "llms.txt").write_text(_llms(config, site))


def _llms(config: MkDocsConfig, site: Path) -> str:
    """The site in one list, with the text of each page as Markdown (llmstxt.org)."""
    lines = [f"# {config.site_name}", "", f"> {config.site_description}", ""]
    assert config.nav is not None
    for section in config.nav:
        for title, pages in section.items():
            lines += [f"## {title}", ""]
            for path in pages:
                text = _markdown[path]
                heading = re.search(r"(?m)^# (.+)$", text)
                target = path.replace(".md", ".html")
                if "\n::: " not in text:
                    target = path
                    (site / path).write_text(text)
                lines.append(f"* [{heading[1] if heading else path}]({target})")
            lines.append("")
    return "\n".join(lines)
