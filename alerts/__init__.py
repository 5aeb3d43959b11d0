"""Siaga: protects a country's citizens abroad in a crisis."""
