"""Calls to those whom no message reached: the call list of deliveries, and what people said, as check-ins."""
