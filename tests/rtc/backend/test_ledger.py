"""The ledger of what is private of others: it is complete, holds, and says what to read again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from aiortc import RTCDataChannel

from trio_rtc.rtc.backend import patches
from trio_rtc.rtc.backend.ledger import ATTRIBUTES, ELSEWHERE, OWNERS
from trio_rtc.rtc.backend.purposes import USES, Purpose
from trio_rtc.rtc.backend.trials import TRIALS

from .touching import Code, Touched, our_modules, touched

ROOT = Path(__file__).parents[3]
DIGESTS = Path(__file__).with_name("overridden.json")
SCRIPT = ROOT / "scripts" / "try_upgrades.py"

#: By the names of classes: as the code knows them, and not as the ledger calls them.
LISTED = {
    (getattr(OWNERS[owner], "__name__", owner), name): f"{owner}.{name}"
    for owners in ATTRIBUTES.values()
    for owner, names in owners.items()
    for name in names
} | {
    (owner.rpartition(".")[2], name): f"{owner}.{name}"
    for owner, names in ELSEWHERE.items()
    for name in names
}
NAMES = {name for _, name in LISTED}

EXAMPLE = "rtc/backend/example"


@cache
def in_code() -> Touched:
    return touched(our_modules())


def with_example(text: str) -> Touched:
    return touched({EXAMPLE: text})


def test_what_is_touched_is_listed() -> None:
    found = in_code()
    assert {name: at for name, at in found.names.items() if name not in NAMES} == {}
    assert {name: at for name, at in found.replaced.items() if name not in NAMES} == {}
    assert {key: at for key, at in found.overridden.items() if key not in LISTED} == {}


def test_what_is_listed_is_touched() -> None:
    # That it is tried does not count.
    found = touched({n: t for n, t in our_modules().items() if n != "rtc/backend/trials"})
    used = {*found.names, *found.attributes, *found.replaced}
    gone = [
        text for key, text in LISTED.items() if key[1] not in used and key not in found.overridden
    ]
    assert gone == []


def test_objects_become_subclasses_of_what_is_listed() -> None:
    code = Code(our_modules())
    classes = in_code().classes
    assert classes
    for module, name in classes:
        _, theirs = code.family(module, name)
        assert theirs
        assert all(theirs_of in OWNERS.values() for theirs_of in theirs), name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def f(channel): return channel._new_name", "_new_name"),
        # Also where a class of ours has one of this name.
        ("class A:\n    def _send(self): ...\n\ndef f(transport): transport._send()", "_send"),
        ("from aiortc import RTCRtpSender as S\nclass A(S):\n    def f(self): self._ssrc", "_ssrc"),
        ("from aiortc import RTCRtpSender as S\nclass A(S):\n    _ssrc = 1", "_ssrc"),
        ("import aiortc\nclass A(aiortc.RTCRtpSender):\n    def f(self): self._n", "_n"),
        ("def f(sender): getattr(sender, '_rtx_ssrc')", "_rtx_ssrc"),
        ("def f(sender): setattr(sender, '_RTCRtpSender__mid', 1)", "_RTCRtpSender__mid"),
        ("class A:\n    def f(self): self.pc._RTCPeerConnection__sctp", "_RTCPeerConnection__sctp"),
        ("from OpenSSL import _util", "_util"),
        ("from trio._core import anything", "_core"),
        ("def f(agent): agent.gather_candidates = f", "gather_candidates"),
        ("class A:\n    def f(self): self.agent.set_selected_pair = f", "set_selected_pair"),
    ],
)
def test_a_private_name_is_found(text: str, name: str) -> None:
    found = with_example(text)
    assert name in {*found.names, *found.replaced, *(name for _, name in found.overridden)}


def test_overrides_are_found_through_classes_of_ours() -> None:
    modules = {
        "rtc/a": "from aiortc import RTCSctpTransport\nclass Middle(RTCSctpTransport): ...",
        "rtc/b/c": "from ..a import Middle\nclass Last(Middle):\n    async def start(self): ...",
    }
    assert touched(modules).overridden == {("RTCSctpTransport", "start"): ["rtc/b/c:Last"]}


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    def __init__(self): self._ssrc = 1\n    def f(self): return self._ssrc",
        "class A:\n    _ours_alone = 1\n\ndef f(a): return a._ours_alone",
        "def f(x): return x.public, x.__doc__, x.__class__",
        "class A:\n    def _f(self): ...\n\nclass B(A):\n    def f(self): super()._f()",
    ],
)
def test_what_is_ours_is_not_taken_for_theirs(text: str) -> None:
    found = with_example(text)
    assert (found.names, found.replaced, found.overridden) == ({}, {}, {})


def test_each_purpose_is_asked_for_where_it_is_needed() -> None:
    code = "\n".join(our_modules().values())
    assert set(re.findall(r'\bcan\("(\w+)"\)', code)) == set(USES) == set(ATTRIBUTES)


# What others say in their methods.


def digests() -> dict[str, str]:
    known: dict[str, str] = json.loads(DIGESTS.read_text())
    return known


def test_there_is_a_digest_of_each_method_that_is_overridden_or_replaced() -> None:
    found = in_code()
    overridden = {LISTED[key] for key in found.overridden}
    methods = {name for name, text in digests().items() if text}
    assert digests().keys() - methods == set()
    # What is no method has none.
    missing = {
        name
        for name in overridden - methods
        if callable(getattr(OWNERS[name.rpartition(".")[0]], name.rpartition(".")[2], None))
    }
    assert missing == set()
    assert {
        name for name in found.replaced if not any(m.endswith(f".{name}") for m in methods)
    } == (set())
    needless = {
        name for name in methods - overridden if name.rpartition(".")[2] not in found.replaced
    }
    assert needless == set()


def try_upgrades(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, "--installed", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_holds_with_the_installed_releases() -> None:
    told = try_upgrades()
    assert (told.returncode, told.stderr) == (0, ""), told.stdout
    rows = [line.split() for line in told.stdout.splitlines()[2:]]
    assert rows == [[purpose, "holds"] for purpose in USES]


def test_a_changed_method_is_to_be_read_again(tmp_path: Path) -> None:
    other = tmp_path / "digests.json"
    other.write_text(json.dumps(digests() | {"RTCSctpTransport._send_sack": "0" * 16}))
    told = try_upgrades("--digests", other)
    assert told.returncode == 1
    lines = told.stdout.splitlines()
    assert "read this again: RTCSctpTransport._send_sack" in lines
    assert [line for line in lines if line.split()[1:2] == ["changed"]] == [
        "sctp            changed  read this again: RTCSctpTransport._send_sack"
    ]


# Whether it does what it is for.


@pytest.mark.parametrize("purpose", TRIALS)
def test_trials_succeed(purpose: Purpose) -> None:
    assert patches.shortcoming(purpose) == ""


@pytest.mark.parametrize("otherwise", ["nothing", "error"])
def test_what_is_there_but_does_otherwise_is_not_used(
    otherwise: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def other(channel: RTCDataChannel, number: int) -> None:
        if otherwise == "error":
            raise TypeError("takes no number")

    monkeypatch.setattr(RTCDataChannel, "_setId", other)
    patches.can.cache_clear()
    try:
        assert not patches.can("early_open")
        assert not patches.can("early_open")
        assert patches.can("codecs")
    finally:
        patches.can.cache_clear()
    (record,) = caplog.records
    assert USES["early_open"].without in record.getMessage()


def test_the_document_has_the_same_table() -> None:
    text = (ROOT / "docs" / "design.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", text, re.M)
    told = {name: (what, without) for name, what, without in rows if name in USES}
    assert told == {name: tuple(use) for name, use in USES.items()}
