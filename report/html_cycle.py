"""The page's sections of what the cycle model tells: timeline, FIFOs, roofline, energy."""

from .energy import energy_section
from .markup import Markup, join
from .occupancy import occupancy_section
from .roofline import roofline_section
from .timeline import timeline_section


def sections(report: dict) -> str:
    """A section for each of the report's optional keys ``timeline``, ``fifos``, ``roofline`` and ``energy``;
    empty without any."""
    made = (timeline_section, occupancy_section, roofline_section, energy_section)
    found = [section for make in made if (section := make(report))]
    return join(*found, between="\n") if found else Markup("")
