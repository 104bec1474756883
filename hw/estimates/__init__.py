"""What calibration found: LUTs and registers per structural part of a unit, clock rates, and their errors."""
