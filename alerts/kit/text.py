"""Text that people wrote: what in it cannot be seen, and how to show it safely."""

from __future__ import annotations

import unicodedata

HIDDEN_CATEGORIES = ("Cf", "Co", "Cs")
"""Formatting (bidi, zero-width, tags), private use and surrogates: nothing that a reader could see."""
LAYOUT = "\t\r\n"


def is_hidden(character: str) -> bool:
    return unicodedata.category(character) in HIDDEN_CATEGORIES or _is_noncharacter(ord(character))


def _is_noncharacter(code: int) -> bool:
    """Codes that Unicode keeps for programs' own use; XML cannot hold some of them."""
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def is_control(character: str) -> bool:
    """A control character (NUL among them) that is not plain layout."""
    return unicodedata.category(character) == "Cc" and character not in LAYOUT


def visible(text: str) -> str:
    """The text without hidden and control characters; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if not (is_hidden(c) or is_control(c)))


def clean(text: str | None, limit: int) -> str | None:
    """What is visible of a stranger's text, trimmed and cut to `limit` characters; None when nothing is left."""
    return (visible(text).strip()[:limit].strip() or None) if text else None
