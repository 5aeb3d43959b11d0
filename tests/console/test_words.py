"""Nothing that people see is left untranslated: every sentence has both languages, and no template speaks by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from jinja2 import nodes

from alerts.console.pages import TEMPLATE_FOLDER, environment
from alerts.kit.i18n import LANGUAGES, translator
from alerts.locale.extract import find_messages, read_catalogue, untranslated

PLACE = re.compile(r"%\((\w+)\)s")
# The product's own name, names of languages in themselves, and the ministry's word for its levels.
OWN_NAMES = {"Siaga", "English", "Bahasa Indonesia", "SMS"}
WORD = re.compile(r"[A-Za-z]{2,}")


def ids(catalogue: Catalog) -> set[str]:
    return {message.id if isinstance(message.id, str) else message.id[0] for message in catalogue if message.id}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_sentence_of_the_sources_is_in_the_catalogue(lang: str) -> None:
    missing = ids(find_messages()) - ids(read_catalogue(lang))
    assert not missing, "run `python -m alerts.locale` and translate these"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_sentence_has_a_text(lang: str) -> None:
    assert not untranslated(read_catalogue(lang))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_waits_unused_in_the_catalogue(lang: str) -> None:
    assert not ids(read_catalogue(lang)) - ids(find_messages())


def test_translations_keep_every_place_to_fill_in() -> None:
    wrong = []
    for message in read_catalogue("id"):
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        texts = [message.string] if isinstance(message.string, str) else list(message.string)
        places = set(PLACE.findall(" ".join(originals)))
        wrong += [text for text in texts if set(PLACE.findall(text)) != places]
    assert not wrong


def test_the_two_languages_are_different_languages() -> None:
    same = {message.id for message in read_catalogue("id") if len(message.id) > 12 and message.string == message.id}
    assert same <= {"Administrator"}


def test_a_plural_sentence_is_in_the_readers_language() -> None:
    plurals = [message.id for message in read_catalogue("id") if not isinstance(message.id, str)]
    assert plurals
    said = {one: translator("id").ngettext(one, many, 1, number=1) for one, many in plurals}
    same = {one for one, text in said.items() if text == one % {"num": 1, "number": 1}}
    assert not same


@pytest.mark.parametrize("path", sorted(TEMPLATE_FOLDER.glob("*.html")), ids=lambda path: path.name)
def test_a_template_says_nothing_by_itself(path: Path) -> None:
    assert not list(bare_words(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text", ["<p>Halo dunia</p>", '<input placeholder="Your name">', '<img alt="A map">', "{% if x %}Nothing{% endif %}"]
)
def test_bare_text_would_be_found(text: str) -> None:
    assert list(bare_words(text))


def bare_words(source: str) -> list[str]:
    """Words in text nodes and in attributes that people hear or see, outside of any `_()`."""
    tree = environment().parse(source)
    literal = "\x00".join(data.data for data in tree.find_all(nodes.TemplateData))
    literal = re.sub(r"<!doctype[^>]*>", "", literal)
    seen = re.findall(r'(?:placeholder|alt|title|aria-label)="([^"\x00]*)"', literal)
    text = re.sub(r"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", "\x01", literal)
    seen += re.split(r"[\x00\x01\n]", text)
    return [part.strip() for part in seen if WORD.search(without_names(part))]


def without_names(text: str) -> str:
    for name in OWN_NAMES:
        text = text.replace(name, "")
    return re.sub(r"&\w+;", "", text)


def test_numbers_and_times_are_of_the_reader() -> None:
    assert translator("id").number(1447) == "1.447"
    assert translator("en").number(1447) == "1,447"
    assert translator("id").ngettext("%(num)s person", "%(num)s people", 1447) == "1.447 orang"
    assert translator("en").ngettext("%(num)s person", "%(num)s people", 1) == "1 person"
