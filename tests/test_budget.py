"""Budget files: what they may say, and what is told about those that say something else."""

import pytest

from driver_models import PYNQ, ULX3S
from gatewright.driver.budget import read_budget
from gatewright.driver.metrics import METRICS
from gatewright.errors import BoardError, InputError

PI = "raspberrypi_4b"
WHOLE = f"""
[tolerance]
lut = "2%"
fps = 10
accuracy = 0.005

[[model]]
name = "digits"
file = "nets/digits.onnx"
data = "digits.npz"
frames = 100

[[model.on]]
board = "{ULX3S}"
fps = 20_000
clock_mhz = 25
multipliers = "lut"
[model.on.limits]
accuracy = "95%"
fps = 20_000
lut = "12.5%"
ff = 100
mw = 300.5

[[model.on]]
board = "{PI}"
threads = 2
limits = {{ instructions = 1_000_000, latency_us = 500, accuracy = 0.9 }}

[[model]]
file = "other.tflite"
[[model.on]]
board = "{PYNQ}"
target = "arm"
"""


def read(folder, text):
    (folder / "gatewright.toml").write_text(text, "utf-8")
    return read_budget(folder / "gatewright.toml")


def test_what_a_budget_says(tmp_path):
    budget = read(tmp_path, WHOLE)
    assert [c.key for c in budget.cases] == [
        ("digits", ULX3S, "fpga"), ("digits", PI, "arm"), ("other", PYNQ, "arm"),
    ]  # fmt: skip
    first, second, third = budget.cases
    assert (first.file, first.options.data) == (tmp_path / "nets/digits.onnx", tmp_path / "digits.npz")
    options = first.options
    assert (options.fps, options.clock_mhz, options.multipliers, options.frames) == (20000, 25, "lut", 100)
    # In the order of METRICS, whatever the file's.
    assert list(first.limits) == ["lut", "ff", "fps", "mw", "accuracy"]
    assert first.limits["lut"].of(1000) == 125
    assert first.limits["ff"].of(1000) == 100
    assert first.limits["accuracy"].of(7) == 0.95
    assert second.options.threads == 2
    assert second.limits["accuracy"].of(1) == 0.9
    assert third.limits == {}
    assert budget.tolerance["lut"].of(50) == 1
    assert budget.tolerance["fps"].of(50) == 10


def test_a_board_of_ones_own_lies_beside_the_budget(tmp_path):
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.toml").write_text(
        'title = "Mine"\npart = "lfe5u_85f_6bg381c"\ndefault_clock_mhz = 40\nsource = "a test"\n'
    )
    budget = read(tmp_path, '[[model]]\nfile = "a"\n[[model.on]]\nboard = "boards/mine.toml"\n')
    assert budget.cases[0].board.name == "mine"
    assert budget.cases[0].board.default_clock_mhz == 40


MODEL = '[[model]]\nfile = "a.onnx"\n'
ON = MODEL + f'[[model.on]]\nboard = "{ULX3S}"\n'
LIMITS = ON + "[model.on.limits]\n"
HERE = r"^gatewright\.toml: "
AT = HERE + r"model\[0\]\.on\[0\]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model", r"^budget: .*gatewright\.toml must be TOML, not text with an error: .*"),
        ("", HERE + r"model must be one table or more, each under \[\[model\]\], not absent\.$"),
        ("model = 3", HERE + r"model must be one table or more, each under \[\[model\]\], not 3\.$"),
        ("[[modle]]\n", HERE + r"model must be .*, not absent\. Is 'modle' meant to be it\?$"),
        ("[[model]]\n", HERE + r"model\[0\]\.file must be a text, not absent\.$"),
        ('[[model]]\nfiel = "a"\n', HERE + r"model\[0\]\.file must be .*absent\. Is 'fiel' meant to be it\?"),
        ('[[model]]\nfile = ""\n', HERE + r"model\[0\]\.file must be a text, not ''\.$"),
        (MODEL, HERE + r"model\[0\]\.on must be one table or more, each under \[\[model\.on\]\], not absent"),
        (
            ON + "[tolerence]\n",
            HERE + r"the file must hold model, tolerance only, not 'tolerence'\. Did you mean 'tolerance'\?",
        ),
        (ON + "[x]\n", HERE + r"the file must hold .* only, not 'x'\. Use one of model, tolerance\."),
        (
            MODEL + 'dat = "x"\n' + ON[len(MODEL) :],
            HERE + r"model\[0\] must hold file, name, .* not 'dat'\. Did you mean 'data'\?",
        ),
        (
            MODEL + "frames = 0\n" + ON[len(MODEL) :],
            HERE + r"model\[0\]\.frames must be a whole number above 0, not 0\.",
        ),
        (MODEL + "[[model.on]]\n", AT + r"\.board must be a text, not absent\."),
        (ON + "cloc_mhz = 3\n", AT + r" must hold board, .* not 'cloc_mhz'\. Did you mean 'clock_mhz'\?"),
        (ON + "fps = true\n", AT + r"\.fps must be a number above 0, not True\."),
        (ON + "fps = nan\n", AT + r"\.fps must be a number above 0, not nan\."),
        (ON + "interval = 2.5\n", AT + r"\.interval must be a whole number above 0, not 2\.5\."),
        (ON + "fps = 3\ninterval = 3\n", AT + r": give --fps or --interval, not both"),
        (ON + 'target = "gpu"\n', AT + r": --target must be one of fpga, arm, not 'gpu'"),
        (ON + 'multipliers = "x"\n', AT + r": --multipliers must be lut or dsp, not 'x'"),
        (ON + "limits = 3\n", AT + r"\.limits must be a table, not 3\."),
        (
            LIMITS + "lutt = 3\n",
            AT + r"\.limits must hold lut, ff, .* only, not 'lutt'\. Did you mean 'lut'\?",
        ),
        (
            LIMITS + "lut = -1\n",
            AT + r"\.limits\.lut must be a number from 0, or a share of the board such as '50%', not -1\.",
        ),
        (LIMITS + 'lut = "120%"\n', AT + r"\.limits\.lut must be .*, not '120%'\."),
        (LIMITS + 'lut = "5"\n', AT + r"\.limits\.lut must be .*, not '5'\."),
        (LIMITS + 'fps = "5%"\n', AT + r"\.limits\.fps must be a number from 0, not '5%'\."),
        (LIMITS + "fps = inf\n", AT + r"\.limits\.fps must be a number from 0, not inf\."),
        (
            LIMITS + "accuracy = 95\n",
            AT + r"\.limits\.accuracy must be a share from 0 to 1, or such as '95%', not 95\.",
        ),
        (
            LIMITS + "accuracy = 0.9\n",
            AT + r"\.limits\.accuracy must be left out where .* no data, not '90%'\. Give 'a' 'data' with .*",
        ),
        (
            LIMITS + "instructions = 9\n",
            AT + r"\.limits\.instructions must be a limit of a processor, not 9\. Leave it out for an FPGA\.",
        ),
        (
            ON.replace(ULX3S, PI) + "limits = { lut = 9 }\n",
            AT + r"\.limits\.lut must be a limit of an FPGA, not 9\. Leave it out for a processor\.",
        ),
        (
            ON + "[tolerance]\nlutt = 3\n",
            HERE + r"tolerance must hold lut, .* only, not 'lutt'\. Did you mean 'lut'\?",
        ),
        (
            ON + "[tolerance]\nlut = '2 pc'\n",
            HERE + r"tolerance\.lut must be a number from 0, or a share of the baseline's .*, not '2 pc'\.",
        ),
        (
            ON + ON[len(MODEL) :],
            HERE + rf"a model must stand once for a board, but 'a' on {ULX3S} stands twice\. Give one .*",
        ),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_an_unknown_board_names_its_place(tmp_path):
    message = HERE + rf"model\[0\]\.on\[0\]: board: the name must be one of {ULX3S}, .*, not 'ulx3s'\."
    with pytest.raises(BoardError, match=message):
        read(tmp_path, MODEL + '[[model.on]]\nboard = "ulx3s"\n')
    message = AT + r": .*none\.toml: a board file must be readable, not No such file .*"
    with pytest.raises(BoardError, match=message):
        read(tmp_path, MODEL + '[[model.on]]\nboard = "none.toml"\n')


def test_a_budget_that_is_not_there(tmp_path):
    message = r"^budget: .*none\.toml must be a readable TOML file, not this: No such file or directory\.$"
    with pytest.raises(InputError, match=message):
        read_budget(tmp_path / "none.toml")


def test_a_budget_of_deep_tables(tmp_path):
    """What exhausts the parser is refused like other text."""
    with pytest.raises(InputError, match=r"^budget: .* must be TOML, not text with an error: "):
        read(tmp_path, "x = " + "[" * 50_000)


def test_worse_is_more_of_what_costs_and_less_of_what_serves():
    assert METRICS["lut"].worse(3, 2)
    assert not METRICS["lut"].worse(2, 2)
    assert METRICS["fps"].worse(2, 3)
    assert not METRICS["accuracy"].worse(0.9, 0.9)
