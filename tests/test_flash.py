"""A bitstream onto a board: what openFPGALoader is asked, and what is refused before."""

import json
import os

import pytest

from driver_models import ULX3S, saved, vector_net
from gatewright.__main__ import main
from gatewright.driver.compile import Options, compile_model
from gatewright.driver.flash import flash
from gatewright.driver.link_file import read_link
from gatewright.driver.project import Project
from gatewright.errors import BoardError, InputError, ToolError

LOADER = """#!/bin/sh
if [ "$1" = --version ]; then echo "openFPGALoader v1.0"; exit 0; fi
for argument; do echo "$argument"; done > {said}
exit {code}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flash")
    compile_model(saved(folder, vector_net()), ULX3S, folder / "out", Options(until="rtl"))
    return folder / "out"


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """A stand-in on PATH; returns a function that makes it, and where it notes its arguments."""

    def make(code=0):
        folder = tmp_path / "bin"
        folder.mkdir()
        script = folder / "openFPGALoader"
        script.write_text(LOADER.format(said=tmp_path / "said", code=code))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return tmp_path / "said"

    return make


@pytest.mark.parametrize("persistent", [False, True])
def test_what_the_loader_is_asked(compiled, loader, capsys, persistent):
    """The board by its name, flash memory where asked, the bitstream by its whole path."""
    said = loader()
    (compiled / "accelerator.bit").write_bytes(b"bits")
    assert main(["flash", str(compiled), *(["--persistent"] if persistent else [])]) == 0
    arguments = ["-b", "ulx3s", *(["-f"] if persistent else []), str(compiled / "accelerator.bit")]
    assert said.read_text().splitlines() == arguments
    assert "radiona_ulx3s_85f runs" in capsys.readouterr().out


def test_a_loader_that_fails(compiled, loader):
    loader(code=1)
    (compiled / "accelerator.bit").write_bytes(b"bits")
    with pytest.raises(ToolError, match="openFPGALoader: must exit with 0, not 1"):
        flash(compiled)


def test_no_loader(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (compiled / "accelerator.bit").write_bytes(b"bits")
    with pytest.raises(ToolError, match="openFPGALoader must be on PATH, not absent"):
        flash(compiled)


def test_no_bitstream(compiled):
    (compiled / "accelerator.bit").unlink(missing_ok=True)
    with pytest.raises(InputError, match="must hold a bitstream, but there is none"):
        flash(compiled)


@pytest.mark.parametrize(
    ("loader_name", "error", "message"),
    [
        ("", BoardError, "must name its board for openFPGALoader"),
        ("-x", InputError, "is damaged"),
        (7, InputError, "is damaged"),
    ],
)
def test_names_of_boards(compiled, tmp_path, loader_name, error, message):
    """None, one that would be an option, and none at all that is text."""
    described = json.loads((compiled / "link.json").read_text()) | {"loader": loader_name}
    (tmp_path / "link.json").write_text(json.dumps(described))
    (tmp_path / "accelerator.bit").write_bytes(b"bits")
    with pytest.raises(error, match=message):
        flash(tmp_path)


def test_link_file(compiled):
    """What a compile notes of its board's line."""
    link = read_link(Project(compiled))
    assert (link.board, link.baud, link.clocks_per_bit) == (ULX3S, 1_000_000, 50)
    assert link.loader == "ulx3s"
    assert link.timeout_clocks == 1_000_000
