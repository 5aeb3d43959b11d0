"""The fan-out: one row per person and step, handed over once, or said to be unknown."""
