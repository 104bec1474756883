"""Power and energy of a design: transitions on real data, times published energies of a transition."""

from .arm import ArmEnergy, arm_energy
from .estimate import Energy, UnitEnergy, at_clock, estimate

__all__ = ["ArmEnergy", "Energy", "UnitEnergy", "arm_energy", "at_clock", "estimate"]
