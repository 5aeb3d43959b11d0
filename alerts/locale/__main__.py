"""`python -m alerts.locale`: adds new sentences to the catalogues and says which still need an Indonesian text."""

from __future__ import annotations

import sys

from alerts.locale.extract import update_all

if __name__ == "__main__":
    missing = update_all()
    for lang, sentences in missing.items():
        for sentence in sentences:
            sys.stdout.write(f"{lang}: {sentence}\n")
    sys.exit(1 if any(missing.values()) else 0)
