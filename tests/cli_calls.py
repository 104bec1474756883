"""Calls of the command line that its tests share."""

import re

from driver_models import ULX3S, image_net, saved
from gatewright.__main__ import main

NET = image_net()


def compile_to_rtl(folder, *more, model=None, board=ULX3S):
    """Arguments of a short compile into ``folder/out``."""
    model = model or saved(folder, NET)
    return ["compile", str(model), "--board", board, "--out", str(folder / "out"), "--until", "rtl", *more]


def refused(capsys, arguments, message):
    """Exit code 2, nothing on stdout, progress and then the message alone on stderr."""
    assert main([str(a) for a in arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    last = told.err.splitlines()[-1]
    assert re.search(f"^gatewright: {message}$", last), last
