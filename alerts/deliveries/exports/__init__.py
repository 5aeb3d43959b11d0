"""Who was reached, row by row, for work outside: asked for with a reason, granted by another person, fetched once."""
