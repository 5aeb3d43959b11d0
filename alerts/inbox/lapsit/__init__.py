"""A mission's situation report that comes as a text message from a duty phone: filed, and confirmed by a text."""
