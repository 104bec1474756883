"""The cycle model: from a Design alone, when each beat of each stream moves, exactly as in RTL."""
