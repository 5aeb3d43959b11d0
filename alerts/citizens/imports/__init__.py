"""Reading register files: bytes into rows, rows into people, people into the database by COPY."""
