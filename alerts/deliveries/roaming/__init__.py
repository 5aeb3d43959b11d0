"""Roaming broadcasts of the home operators: asked for by staff, counted in phones, never joined to persons."""
