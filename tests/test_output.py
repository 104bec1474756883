"""Output folders and files: whole or not at all, and never somebody else's."""

import json
import os

import pytest

from gatewright.driver import output
from gatewright.driver.output import staged_folder, write_whole
from gatewright.errors import InputError

REPORT = json.dumps({"schema": "gatewright-report/1"})
NOT_OURS = (
    r"^output: .*/out must be new, empty or an earlier result \(with our report\.json\), not something "
    r"else\. Choose another --out\.$"
)


def earlier(folder):
    """A result of an earlier compile."""
    folder.mkdir()
    (folder / "report.json").write_text(REPORT)
    (folder / "old").write_text("good")
    return folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def fail(out, error, note="x"):
    """A block that writes a file and raises."""
    with staged_folder(out) as folder:
        (folder / note).write_text("")
        raise error


def test_a_folder_appears_whole(tmp_path):
    with staged_folder(tmp_path / "a" / "out") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "a" / "out").exists()
    assert names(tmp_path / "a") == ["out"]
    assert (tmp_path / "a" / "out" / "x").read_text() == "1"


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError, RuntimeError])
def test_a_failure_leaves_nothing_not_even_parents(tmp_path, error):
    with pytest.raises(error):
        fail(tmp_path / "a" / "b" / "out", error)
    assert names(tmp_path) == []


def test_a_failure_keeps_parents_that_were_there_or_are_in_use(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError):
        fail(tmp_path / "a" / "b" / "c" / "out", RuntimeError, "../../note")
    assert names(tmp_path / "a") == ["b"]
    assert names(tmp_path / "a" / "b") == ["note"]


def test_an_earlier_result_is_replaced_whole(tmp_path):
    out = earlier(tmp_path / "out")
    with staged_folder(out) as folder:
        (folder / "new").write_text("")
        assert (out / "old").exists()
    assert names(out) == ["new"]
    assert names(tmp_path) == ["out"]


def test_an_earlier_result_survives_a_failure(tmp_path):
    out = earlier(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt), staged_folder(out):
        raise KeyboardInterrupt
    assert names(out) == ["old", "report.json"]
    assert names(tmp_path) == ["out"]


def test_an_earlier_result_comes_back_when_the_last_rename_fails(tmp_path, monkeypatch):
    out, rename = earlier(tmp_path / "out"), os.rename

    def fails(source, target):
        if ".partial-" in str(source):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(output.os, "rename", fails)
    with pytest.raises(OSError, match="No space left"), staged_folder(out):
        pass
    assert names(out) == ["old", "report.json"]
    assert names(tmp_path) == ["out"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    with staged_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("")
    assert names(tmp_path / "out") == ["x"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with staged_folder(tmp_path / "out"):
            pass
        write_whole(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def folder_with_a_file(out):
    out.mkdir()
    (out / "thesis.tex").write_text("")


def folder_with_a_foreign_report(out):
    folder_with_a_file(out)
    (out / "report.json").write_text('{"schema": "coverage/2"}')


def folder_with_a_list_as_report(out):
    folder_with_a_file(out)
    (out / "report.json").write_text("[1]")


def folder_with_a_binary_report(out):
    folder_with_a_file(out)
    (out / "report.json").write_bytes(b"\xff\xfe")


def link_to_an_earlier_result(out):
    earlier(out.parent / "elsewhere")
    out.symlink_to(out.parent / "elsewhere")


@pytest.mark.parametrize(
    "make",
    [
        folder_with_a_file,
        folder_with_a_foreign_report,
        folder_with_a_list_as_report,
        folder_with_a_binary_report,
        link_to_an_earlier_result,
        lambda out: out.symlink_to(out.parent / "nowhere"),
        lambda out: out.write_text("a file"),
    ],
)
def test_what_is_not_ours_is_left_alone(tmp_path, make):
    make(tmp_path / "out")
    before = names(tmp_path)
    with pytest.raises(InputError, match=NOT_OURS), staged_folder(tmp_path / "out"):
        pytest.fail("the block must not start")
    assert names(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out", tmp_path / ("x" * 300)):
        with pytest.raises(
            InputError, match=r"^output: .* cannot be created: \w[\w ]+\. Choose another --out\.$"
        ), staged_folder(out):  # fmt: skip
            pytest.fail("the block must not start")
    assert names(tmp_path) == ["file"]


def test_a_file_appears_whole(tmp_path):
    write_whole(tmp_path / "y", b"\x00\x01")
    write_whole(tmp_path / "y", "text")
    assert (tmp_path / "y").read_text() == "text"
    assert names(tmp_path) == ["y"]


@pytest.mark.parametrize("place", ["missing/y", "folder"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, place):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=rf"^output: .*/{place} cannot be written: [\w ]+$"):
        write_whole(tmp_path / place, "x")
    assert names(tmp_path) == ["folder"]
