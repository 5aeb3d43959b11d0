"""Finds every sentence that a person may see: in templates, in code, and in the errors that pages show."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from alerts.kit import errors
from alerts.kit.i18n import DOMAIN, LANGUAGES, catalogue_path

PRODUCT = Path(__file__).resolve().parent.parent
# The second argument of an error is the sentence that a form shows again.
ERROR_WORDS = {name: (2,) for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.AppError)}
KEYWORDS = {"_": None, "N_": None, "gettext": None, "both": None, "ngettext": (1, 2)} | ERROR_WORDS
# A subscript such as words["en"] looks like a sentence to the extractor.
SHORTEST = 2
UNSTEADY = (b'"POT-Creation', b'"PO-Revision', b'"Report-Msgid', b'"Last-Translator', b'"Language-Team', b'"Project-Id')
# Programs of their own, whose sentences no page shows.
SILENT = {"sandbox", "embedded", "migrations", "story"}


def find_messages() -> Catalog:
    """Every message of templates and code, with the file that uses it."""
    catalogue = Catalog(domain=DOMAIN, project="Siaga", charset="utf-8")
    for path in sorted(_sources()):
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        with path.open("rb") as file:
            for _line, message, _comments, _context in extract(method, file, KEYWORDS, (), {"trimmed": "true", "silent": "false"}):
                if len(_first(message)) > SHORTEST:
                    catalogue.add(message, locations=[(path.relative_to(PRODUCT).as_posix(), 0)])
    return catalogue


def read_catalogue(lang: str) -> Catalog:
    path = catalogue_path(lang)
    if not path.exists():
        return Catalog(locale=lang, domain=DOMAIN)
    with path.open("rb") as file:
        return read_po(file, locale=lang, domain=DOMAIN)


def update_catalogue(lang: str) -> list[str]:
    """Bring one catalogue up to the sources; English fills itself in. Returns the ids without a translation."""
    catalogue = read_catalogue(lang)
    catalogue.fuzzy, catalogue.header_comment = False, f"# The sentences of Siaga in '{lang}'."
    if lang == "id":
        # Indonesian has one form for every number; Babel does not know that and assumes two.
        catalogue._num_plurals = 1  # type: ignore[assignment]  # noqa: SLF001
        catalogue._plural_expr = "0"  # type: ignore[assignment]  # noqa: SLF001
    catalogue.update(find_messages(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    for message in catalogue:
        message.flags.discard("fuzzy")  # it would keep a finished sentence out of use
        if lang == "en" and message.id:
            message.string = tuple(message.id) if message.pluralizable else message.id
    out = io.BytesIO()
    write_po(out, catalogue, sort_output=True, include_lineno=False, width=0, omit_header=False, ignore_obsolete=True)
    path = catalogue_path(lang)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_without_dates(out.getvalue()))
    return untranslated(catalogue)


def untranslated(catalogue: Catalog) -> list[str]:
    """Ids without any text in this language."""
    return [_first(message.id) for message in catalogue if message.id and not all(_forms(message.string))]


def update_all() -> dict[str, list[str]]:
    return {lang: update_catalogue(lang) for lang in LANGUAGES}


def _sources() -> Iterator[Path]:
    for path in PRODUCT.rglob("*"):
        if path.suffix in {".py", ".html"} and path.relative_to(PRODUCT).parts[0] not in SILENT:
            yield path


def _forms(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return ("",) if text is None else (text,) if isinstance(text, str) else tuple(text)


def _first(message: str | list[str] | tuple[str, ...]) -> str:
    return _forms(message)[0]


def _without_dates(content: bytes) -> bytes:
    """Two runs over the same sources give the same bytes."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(UNSTEADY))
