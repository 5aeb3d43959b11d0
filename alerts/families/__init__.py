"""Families who ask after somebody: one case per person sought, who asked, and what they may be told."""
