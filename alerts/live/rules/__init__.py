"""The answer sheet as a pure function of loaded rows. No database, no web framework."""
