"""What a file may be called: nothing that leads out of the folder, or steers what shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.errors import FileError
from trio_rtc.wire.files import FileEntry, check, names_of


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "a//b",
        "a/",
        "../a",
        "a/../../b",
        "a/./b",
        "a\\..\\b",
        "C:a",
        "c:/windows",
        "CON",
        "a/nul.txt",
        "com1",
        "LPT9.tar.gz",
        "aux ",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "a\u202egnp.exe",
        "\ud800",
        "x" * 256,
        "é" * 128,
        "/".join(["x" * 200] * 21),
        ".trio-rtc-0.part",
    ],
)
def test_names_that_no_file_gets(path: str) -> None:
    with pytest.raises(FileError) as caught:
        names_of(path)
    assert caught.value.code == "bad_name"
    assert "\x1b" not in str(caught.value)


def test_names_are_in_normal_form_c() -> None:
    assert names_of("Cafe\u0301/menu.txt") == ("Café", "menu.txt")


@pytest.mark.parametrize("path", ["a", ".bashrc", "a b/c.txt", "console.log", "\uff46", "x" * 255])
def test_names_that_files_have(path: str) -> None:
    assert "/".join(names_of(path)) == path


@given(st.text())
def test_whatever_passes_stays_in_the_folder(path: str) -> None:
    try:
        names = names_of(path)
    except FileError:
        return
    assert all(name not in ("", ".", "..") and "/" not in name for name in names)


@pytest.mark.parametrize(
    "paths",
    [["a", "a"], ["a/b", "a"], ["a", "a/b"], ["é", "e\u0301"]],
)
def test_a_path_that_stands_for_two_things(paths: list[str]) -> None:
    with pytest.raises(FileError) as caught:
        check([FileEntry(path=path, size=0) for path in paths])
    assert caught.value.code == "name_clash"


def test_paths_that_differ_in_case_are_told() -> None:
    entries = [FileEntry(path=path, size=0) for path in ["a/README", "a/Readme", "B/x", "b/y"]]
    assert check(entries) == ["a/Readme", "b"]
