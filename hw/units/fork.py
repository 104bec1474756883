"""gw_fork: cycles and resources."""

from types import SimpleNamespace

from ..design import Resources, Unit


def _one(p: SimpleNamespace) -> int:
    return 1


def _resources(p: SimpleNamespace, family: str) -> Resources:
    """The beat's register, and a bit and two LUTs for each reader."""
    return Resources(lut=2 * p.N, ff=p.BITS + p.N)


FORK = Unit(
    module="gw_fork",
    params=("BITS", "N"),
    files=("gw_fork.v",),
    interval=_one,
    latency=_one,
    resources=_resources,
)
