"""gw_fork: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit


def _one(p: SimpleNamespace) -> int:
    return 1


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    """The beat's register, and a bit and two LUTs for each reader."""
    return {"beat": Resources(ff=p.BITS), "readers": Resources(lut=2 * p.N, ff=p.N)}


FORK = Unit(
    module="gw_fork",
    params=("BITS", "N"),
    files=("gw_fork.v",),
    interval=_one,
    latency=_one,
    parts=_parts,
)
