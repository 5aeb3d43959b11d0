"""Pure decisions about reports: codes, guards, words. No database, no web framework."""
