"""Embassies, consulates and the trade office: where they are, and who answers for a place."""
