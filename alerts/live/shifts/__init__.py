"""Shifts of an incident: one is handed over with a signature, and an incident that is another one is merged into it."""
