"""Chasing missions: when each owes its next report, who is asked when it does not come, and what was said about that."""
