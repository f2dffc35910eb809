"""What still holds of our patches with other releases of aiortc, aioice and pyOpenSSL.

Each purpose is looked up, and tried; and the methods that we override or replace are compared with
those that the patches were written against, of which tests/rtc/backend/overridden.json has digests.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import io
import json
import pkgutil
import re
import subprocess
import sys
import tempfile
import textwrap
import tokenize
import tomllib
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIGESTS = ROOT / "tests" / "rtc" / "backend" / "overridden.json"
RELEASES = ("aiortc", "aioice", "pyopenssl")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installed", action="store_true", help="of the releases that are here")
    parser.add_argument("--digests", type=Path, default=DIGESTS, help="compare with these")
    parser.add_argument("--write", action="store_true", help="all has been read: keep the digests")
    options = parser.parse_args()
    if options.write:
        names = json.loads(options.digests.read_text())
        text = json.dumps({name: digest(name) for name in sorted(names)}, indent=2)
        options.digests.write_text(text + "\n")
        return 0
    if options.installed:
        return report(json.loads(options.digests.read_text()))
    with tempfile.TemporaryDirectory(prefix="try-upgrades-") as folder:
        python = install_newest(Path(folder))
        arguments = ["--installed", "--digests", str(options.digests)]
        return subprocess.run([python, str(Path(__file__)), *arguments], check=False).returncode


def install_newest(folder: Path) -> Path:
    """A Python of its own with what the project needs, without upper bounds of the three."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", *map(unbounded, project["dependencies"])], check=True)
    # aiortc may bound aioice and pyOpenSSL, too: that is its business.
    return python


def unbounded(requirement: str) -> str:
    """A requirement without its upper bound, if it is one of the three."""
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    return re.sub(r",?<[^,;]+", "", requirement) if name.lower() in RELEASES else requirement


def report(digests: dict[str, str]) -> int:
    """Print the table; 1 if anything does not hold, or is to be read again."""
    sys.path.insert(0, str(ROOT))
    print("  ".join(f"{name} {version(name)}" for name in RELEASES), end="\n\n")
    try:
        from trio_rtc.rtc.backend.ledger import ATTRIBUTES
        from trio_rtc.rtc.backend.patches import shortcoming
        from trio_rtc.rtc.backend.purposes import USES
    except ImportError as error:
        print(f"nothing holds: {error}")
        return 1
    changed = {name for name, known in digests.items() if digest(name) != known}
    sound = not changed
    for purpose, use in USES.items():
        reason = shortcoming(purpose)
        needed = {f"{o}.{name}" for o, names in ATTRIBUTES[purpose].items() for name in names}
        again = ", ".join(sorted(needed & changed))
        sound = sound and not reason
        tells = f"{reason}: {use.without}" if reason else f"read this again: {again}" * bool(again)
        mark = "lost" if reason else "changed" if again else "holds"
        print(f"{purpose:<16}{mark:<9}{tells}".rstrip())
    for name in sorted(changed):
        print(f"read this again: {name}")
    return 0 if sound else 1


def digest(name: str) -> str:
    """That of the source of a method, without comments and empty lines; empty if there is none.

    Args:
        name: as in the ledger, such as ``RTCSctpTransport._send``.
    """
    from trio_rtc.rtc.backend.ledger import OWNERS

    owner, _, attribute = name.rpartition(".")
    holder = OWNERS[owner] if owner in OWNERS else pkgutil.resolve_name(owner)
    found = getattr(holder, attribute, None)
    found = found.fget if isinstance(found, property) else found
    if not callable(found):
        return ""
    text = textwrap.dedent(inspect.getsource(found))
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    kept = [line.rstrip() for line in lines if line.strip()]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
