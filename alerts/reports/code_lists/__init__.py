"""One-time codes with which a mission's text messages prove where they come from: printed once, used once."""
