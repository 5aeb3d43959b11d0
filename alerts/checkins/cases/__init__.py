"""Calls for help: who asks, which mission answers for it, and how far it has come."""
