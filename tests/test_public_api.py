"""The public names of the package are what __all__ says, and importing them is cheap."""

import subprocess
import sys

import pytest

import gatewright


def test_every_public_name_resolves():
    for name in gatewright.__all__:
        assert getattr(gatewright, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'gatewright' has no attribute 'nonsense'$"):
        _ = gatewright.nonsense


def test_importing_the_package_loads_no_heavy_library():
    code = "import sys, gatewright; print(sorted({'torch', 'tvm', 'onnx', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
