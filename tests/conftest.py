"""Fixtures of all tests: golden files, and how much Hypothesis searches."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_COMMON = {
    "print_blob": True,
    "deadline": None,  # the machines that run these are shared
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("local", max_examples=100, **_COMMON)
# The same examples every time, so that a change is what turns CI red.
settings.register_profile("ci", max_examples=200, derandomize=True, **_COMMON)
settings.load_profile("ci" if os.environ.get("CI") else "local")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    """Add ``--update-golden``."""
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")


@pytest.fixture
def golden(request):
    """``golden("passes/x.gw", text)``: the text must equal tests/golden/passes/x.gw."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing. Run pytest --update-golden and review what it writes."
        assert text == path.read_text(encoding="utf-8")

    return check
