"""What is texted back to somebody who called for help by text: one sentence per state of the case, true by that state."""
