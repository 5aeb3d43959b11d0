"""The rules of countries' networks as data: versioned, with their sources, edited by an administrator."""
