"""Message catalogues, one .po per language, and the tool that keeps them complete (`python -m alerts.locale`)."""
