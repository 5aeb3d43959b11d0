"""Accounts, roles, sessions and tokens of the people who work with the system."""
