"""What a report says of a design's resources."""

from types import SimpleNamespace

from gatewright.compiler.ir.types import Int
from gatewright.driver import describe
from gatewright.hw.design import Design, Instance, Resources, Stream, Unit, chained


def test_estimates_are_whole_numbers_that_add_up():
    part, stream = SimpleNamespace(family="ecp5", bram_kbit=18), Stream(Int(0, 1), 1, 1)
    odd = Resources(0.4, 10.3, 0.5, stored_bits=2304)
    unit = Unit("gw_odd", (), (), lambda p: 1, lambda p: 1, lambda p, family: odd)
    instances = tuple(Instance(unit, f"u{n}", {}, 1, stream, stream) for n in range(7))
    design = Design("odd", instances, chained(7))
    job = SimpleNamespace(board=SimpleNamespace(part=part), design=design, synthesis=None, routed=None)
    found = describe.resources(job)
    assert found["total"] == found["estimated_total"] == {"lut": 0, "ff": 70, "bram": 3.5, "dsp": 0}
    assert [u["ff"] for u in found["units"]] == [10] * 7
    assert found["block_memory"] == {"blocks": 3.5, "stored_bits": 7 * 2304, "filled": 0.25}
    assert found["units"][3]["block_memory"] == {"blocks": 0.5, "stored_bits": 2304, "filled": 0.25}
    assert describe.block_memory(Resources(lut=3), 18) is None
