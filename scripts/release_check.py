#!/usr/bin/env python3
"""Whether a release can be made of this checkout: what is built works, and says what it is.

    scripts/release-check [--python PYTHON]... [--keep FOLDER]
    scripts/release-check --here

Builds wheel and sdist twice, installs each in an empty environment, makes a call and runs the demo
there, and checks metadata, licences, changes and the public names. Each finding is a line.
With ``--here`` it needs no network: it builds with what is installed, and installs nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION: Final[str] = PROJECT["version"]

#: Under which a program of any licence may depend on a library: by SPDX, or as it was said before.
LICENCES: Final = re.compile(
    r"\b(MIT|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|ZPL|LGPL)\b",
    re.IGNORECASE,
)

#: Said nowhere in their metadata that programs can read; read by hand.
READ_BY_HAND: Final = {"pyee": "MIT", "google-crc32c": "Apache-2.0"}

#: What only the one who releases it knows.
NO_SOURCE: Final = (
    "[project.urls] of pyproject.toml does not say where the sources are:"
    " scripts/prepare-release VERSION --source https://… has it say so"
)

#: What a server alone may take of a disk.
SERVER_BYTES: Final = 60_000_000

#: What is in an environment before anything is installed.
OF_AN_ENVIRONMENT: Final = ("pip", "setuptools", "pkg_resources", "_distutils_hack")

SMOKE: Final = """
import trio, trio_rtc
from trio_rtc.testing import connected_pair

async def main():
    async with connected_pair() as (call, other):
        channel = await call.open_channel("chat")
        await channel.send("hello")
        theirs = await anext(aiter(other.channels))
        assert await theirs.receive() == "hello"

for name in trio_rtc.__all__:
    getattr(trio_rtc, name)
trio.run(main)
print(trio_rtc.__version__)
"""


class Findings:
    """What was looked at, printed as it is found."""

    def __init__(self) -> None:
        self.failed = 0

    def tell(self, what: str, problem: str = "") -> None:
        self.failed += bool(problem)
        print(
            f"{'FAILED' if problem else 'ok':<7} {what}" + (f": {problem}" if problem else ""),
            flush=True,
        )


def run(*command: str | Path, folder: Path = ROOT, **environment: str) -> str:
    """Run a program; what it prints.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command[0], done.stdout)
    return done.stdout


@dataclass(frozen=True)
class Builder:
    """Builds distributions of this checkout.

    Attributes:
        epoch: what ``SOURCE_DATE_EPOCH`` is; two builds with the same one are the same.
        isolated: each build has an environment of its own, with what ``[build-system]`` wants.
    """

    epoch: str
    isolated: bool

    def build(self, folder: Path) -> list[Path]:
        """The sdist of this checkout, and the wheel of the sdist."""
        self._run(folder, ROOT)
        return sorted(folder.iterdir())

    def build_server(self, folder: Path) -> Path:
        """The wheel of the server alone; its source is the sdist of the whole."""
        self._run(folder, ROOT / "packaging" / "server", "--wheel")
        (wheel,) = folder.glob("trio_rtc_server-*.whl")
        return wheel

    def _run(self, folder: Path, source: Path, *options: str) -> None:
        if not self.isolated:
            options += ("--no-isolation",)
        command = [sys.executable, "-m", "build", *options, "--outdir", str(folder), str(source)]
        run(*command, SOURCE_DATE_EPOCH=self.epoch)


def digests(files: list[Path]) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def check_contents(findings: Findings, files: list[Path]) -> None:
    """What is in the two, and what is not to be."""
    for file in files:
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as wheel:
                names = wheel.namelist()
            wanted = {"trio_rtc/py.typed", "trio_rtc/page/index.html", "trio_rtc/__init__.py"}
            foreign = [n for n in names if not n.startswith(("trio_rtc/", "trio_rtc-"))]
        else:
            with tarfile.open(file) as sdist:
                names = [name.partition("/")[2] for name in sdist.getnames()]
            wanted = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "trio_rtc/py.typed"}
            foreign = [
                n
                for n in names
                if n.startswith((".venv", "build/", "dist/")) or "node_modules" in n
            ]
        missing = sorted(wanted - set(names))
        problem = ", ".join(
            [*(f"{name} is missing" for name in missing), *(f"{n} is in it" for n in foreign[:3])]
        )
        findings.tell(f"contents of {file.name}", problem)


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def check_metadata(findings: Findings, metadata: Message) -> None:
    findings.tell(
        "one version", "" if metadata["Version"] == VERSION else f"{metadata['Version']} is built"
    )
    findings.tell("licence", "" if metadata["License-Expression"] == "MIT" else "it is not MIT")
    findings.tell("links of the README", readme_problem(str(metadata.get_payload())))
    urls = metadata.get_all("Project-URL") or []
    findings.tell("URLs", "" if any(url.startswith("Source,") for url in urls) else NO_SOURCE)


def check_pythons(findings: Findings, metadata: Message, pythons: list[str]) -> None:
    """Whether the classifiers tell of those that it was tried with, and of no others."""
    told = told_pythons(metadata.get_all("Classifier") or [])
    tried: set[str] = set()
    for python in pythons:
        try:
            tried.add(run(python, "-c", "import sys; print(sys.version_info.minor)").strip())
        except (subprocess.CalledProcessError, OSError):
            findings.tell(f"{python} is there", "it does not run: --python says where it is")
    problem = ""
    if tried != set(told):
        problem = f"they tell of 3.x with x in {told}; tried were {sorted(tried, key=int)}"
    findings.tell("classifiers are the Pythons that were tried", problem)


def told_pythons(classifiers: list[str]) -> list[str]:
    """The minor versions of Python 3 that classifiers name."""
    prefix = "Programming Language :: Python :: 3."
    return [c.removeprefix(prefix) for c in classifiers if c.startswith(prefix)]


def readme_problem(text: str) -> str:
    relative = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not t.startswith(("http", "#"))]
    return f"a link leads nowhere on a package index: {relative[0]}" if relative else ""


def changes_problems(text: str, version: str) -> Iterator[str]:
    """What is wrong with the changes, if this version is to be released."""

    def entry(name: str) -> str:
        found = re.search(rf"^## {re.escape(name)}$(.*?)(?=^## |\Z)", text, re.M | re.S)
        return found[1].strip() if found else ""

    if not entry(version):
        yield f"CHANGELOG.md has no entry for {version}"
    if entry("Next"):
        yield f"there are changes under Next: is this {version}, or the one after it?"


def check_public_names(findings: Findings) -> None:
    try:
        run(sys.executable, ROOT / "scripts" / "public_names.py", "--check")
        findings.tell("public names are those of the snapshot")
    except subprocess.CalledProcessError as error:
        findings.tell(
            "public names are those of the snapshot", error.output.strip().replace("\n", "; ")
        )


def environment_with(python: str, file: Path, folder: Path) -> Path:
    """An empty environment with this distribution; its Python."""
    run(python, "-m", "venv", folder)
    inside = folder / "bin" / "python"
    run(
        inside,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        file,
        folder=folder,
    )
    return inside


def check_installed(findings: Findings, python: str, file: Path, folder: Path) -> Path | None:
    """Install it, and try what a user tries first; the environment's Python if it could be made."""
    what = f"{file.name} on {python}"
    try:
        inside = environment_with(python, file, folder)
    except (subprocess.CalledProcessError, OSError) as error:
        findings.tell(f"installs {what}", last_line(error))
        return None
    commands: dict[str, list[str | Path]] = {
        "says its version": [inside.parent / "trio-rtc", "--version"],
        "has what it needs": [inside, "-m", "pip", "check"],
        "makes a call": [inside, "-W", "error", "-c", SMOKE],
        "runs the demo": [inside, ROOT / "scripts" / "demo.py"],
        "shows its help": [inside.parent / "trio-rtc", "--help"],
    }
    for name, command in commands.items():
        try:
            output = run(*command, folder=folder)
            told = name != "says its version" or output == f"trio-rtc {VERSION}\n"
            findings.tell(f"{name}: {what}", "" if told else output.strip())
        except (subprocess.CalledProcessError, OSError) as error:
            findings.tell(f"{name}: {what}", last_line(error))
    return inside


def check_server_alone(findings: Findings, python: str, wheel: Path, folder: Path) -> None:
    """The server's distribution in an empty environment: complete, and small."""
    what = f"{wheel.name} on {python}"
    packages = "import sysconfig; print(sysconfig.get_path('purelib'))"
    try:
        inside = environment_with(python, wheel, folder)
        version = run(inside.parent / "trio-rtc", "--version", folder=folder)
        run(inside, "-m", "pip", "check", folder=folder)
        site = Path(run(inside, "-c", packages, folder=folder).strip())
        size = sum(
            path.stat().st_size
            for path in site.rglob("*")
            if path.is_file() and not path.relative_to(site).parts[0].startswith(OF_AN_ENVIRONMENT)
        )
    except (subprocess.CalledProcessError, OSError) as error:
        findings.tell(f"installs {what}", last_line(error))
        return
    findings.tell(
        f"says its version: {what}", "" if version == f"trio-rtc {VERSION}\n" else version.strip()
    )
    large = f"{size / 1e6:.0f} MB with what Python has compiled"
    findings.tell(f"is small, {large}: {what}", "" if size < SERVER_BYTES else "that is too much")


def last_line(error: Exception) -> str:
    output = str(getattr(error, "output", None) or error)
    return output.strip().splitlines()[-1] if output.strip() else str(error)


def licences(inside: Path) -> Iterator[tuple[str, str]]:
    """Each distribution of an environment, and what its metadata says of its licence."""
    script = (
        "from importlib.metadata import distributions as d\n"
        "for one in d():\n"
        "    m = one.metadata\n"
        "    said = [m.get('License-Expression') or '', (m.get('License') or '')[:200]]\n"
        "    said += [c for c in m.get_all('Classifier') or [] if c.startswith('License ::')]\n"
        "    print(m['Name'].lower(), ' '.join(' '.join(said).split()), sep='\\t')\n"
    )
    for line in run(inside, "-c", script).splitlines():
        name, _, licence = line.partition("\t")
        yield name, licence


def check_licences(findings: Findings, inside: Path) -> None:
    bad = []
    count = 0
    for name, licence in licences(inside):
        count += 1
        if not LICENCES.search(licence) and name not in READ_BY_HAND:
            bad.append(f"{name} ({licence or 'says nothing'})")
    findings.tell(f"licences of {count} distributions", ", ".join(bad))


def check_environments(
    findings: Findings, pythons: list[str], files: list[Path], server: Path, folder: Path
) -> None:
    """Each distribution in an empty environment of each Python."""
    for number, python in enumerate(pythons):
        for file in files:
            inside = check_installed(findings, python, file, folder / f"env{number}{file.suffix}")
            if inside is not None and number == 0 and file.suffix == ".whl":
                check_licences(findings, inside)
        check_server_alone(findings, python, server, folder / f"env{number}.server")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--python", action="append", metavar="PYTHON",
        help="where to install it; may be repeated. [default: each that the classifiers name]",
    )  # fmt: skip
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the files go")
    parser.add_argument("--here", action="store_true", help="without a network, and no environment")
    arguments = parser.parse_args()
    pythons: list[str] = arguments.python or [
        f"python3.{minor}" for minor in told_pythons(PROJECT["classifiers"])
    ]
    findings = Findings()
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct").strip()
    builder = Builder(epoch, isolated=not arguments.here)
    with tempfile.TemporaryDirectory(prefix="release-check-") as name:
        folder = Path(name)
        files = builder.build(arguments.keep or folder / "first")
        again = builder.build(folder / "second")
        problem = "" if digests(files) == digests(again) else "two builds of one source differ"
        findings.tell("reproducible", problem)
        check_contents(findings, files)
        server = builder.build_server(arguments.keep or folder / "server")
        (wheel,) = (file for file in files if file.suffix == ".whl")
        check_metadata(findings, metadata_of(wheel))
        changes = (ROOT / "CHANGELOG.md").read_text()
        findings.tell("changes", "; ".join(changes_problems(changes, VERSION)))
        check_public_names(findings)
        if not arguments.here:
            check_pythons(findings, metadata_of(wheel), pythons)
            check_environments(findings, pythons, files, server, folder)
        for file_name, digest in digests([*files, server]).items():
            print(f"{digest}  {file_name}")
    print(
        f"{findings.failed} of these failed"
        if findings.failed
        else "all of these are as they should be"
    )
    return 1 if findings.failed else 0


if __name__ == "__main__":
    sys.exit(main())
