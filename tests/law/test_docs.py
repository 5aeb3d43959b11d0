"""The documents say what the code does: settings and their defaults, commands, links, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree as ET

import pytest
import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from typer.main import get_command

from alerts.cli import app
from alerts.embedded.scratch import CHECKOUT
from alerts.settings import NOT_SETTINGS, PREFIX, Group, Settings
from alerts.story import crisis

README = CHECKOUT / "README.md"
README_LINES = 110
ADR_LINES = 40
ADR_PARTS = ("## Context", "## Decision", "## Consequences", "## Alternatives")
DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "alerts").rglob("*.md")])
RECORDS = sorted((CHECKOUT / "docs" / "adr").glob("*.md"))
EMPTY = "(empty)"
COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SETTING_ROW = re.compile(r"^\| `(SIAGA_\w+)` \| `([^`]*)` \| (.+) \|$", re.MULTILINE)
COMMAND = re.compile(r"(?:^|[\s/])(make|siaga)((?: +[A-Za-z0-9_.,={-][^\s;&|]*)*)", re.MULTILINE)


def settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by the name that the environment knows it by."""
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Group):
            for inner, deep in kind.model_fields.items():
                yield f"{PREFIX}{name}_{deep.alias or inner}".upper(), deep
        else:
            yield f"{PREFIX}{name}".upper(), field


def default_of(field: FieldInfo) -> str:
    value = field.get_default()
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return text or EMPTY


def settings_wrong_in(text: str) -> dict[str, tuple[str | None, str | None]]:
    """Settings whose documented default is absent or another, and documented ones that do not exist."""
    documented = {name: default for name, default, _ in SETTING_ROW.findall(text)}
    actual = {name: default_of(field) for name, field in settings()}
    names = sorted(documented.keys() | actual.keys())
    return {name: (actual.get(name), documented.get(name)) for name in names if actual.get(name) != documented.get(name)}


def code_of(text: str) -> Iterator[str]:
    """What a reader would type: fenced blocks without their comments, and code in lines."""
    yield from (COMMENT.sub("", block) for block in FENCE.findall(text))
    yield from SPAN.findall(FENCE.sub("", text))


def commands_in(text: str) -> set[tuple[str, ...]]:
    """Words after `make` or `siaga`, as far as they are a command and its options."""
    return {(program, *rest.split()) for code in code_of(text) for program, rest in COMMAND.findall(code)}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))


def unknown_command(words: tuple[str, ...]) -> str | None:
    """What is wrong with a typed command, or None."""
    program, *rest = words
    if program == "make":
        wrong = [word for word in rest if "=" not in word and word not in make_targets()]
        return f"make {wrong[0]}" if wrong else None
    command, seen = get_command(app), ["siaga"]
    while rest and hasattr(command, "commands"):
        seen.append(rest[0])
        if rest[0] not in command.commands:
            return " ".join(seen)
        command = command.commands[rest.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    wrong = [word for word in rest if word.startswith("--") and word not in options]
    return f"{' '.join(seen)} {wrong[0]}" if wrong else None


def dead_links(document: Path, text: str) -> list[str]:
    targets = [target.partition("#")[0] for target in LINK.findall(text) if "://" not in target]
    return [target for target in targets if target and not (document.parent / target).exists()]


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def test_every_setting_is_documented_with_its_default() -> None:
    wrong = settings_wrong_in((CHECKOUT / "docs" / "configuration.md").read_text())
    assert not wrong, f"docs/configuration.md (in the code, in the document): {wrong}"


def test_a_setting_that_is_wrong_or_gone_would_be_seen() -> None:
    text = (CHECKOUT / "docs" / "configuration.md").read_text()
    assert set(settings_wrong_in(text.replace("| `1000` |", "| `1001` |"))) == {"SIAGA_DELIVERY_BATCH_SIZE"}
    assert set(settings_wrong_in(text.replace("SIAGA_RELAY_POLL_SECONDS", "SIAGA_RELAY_PULL_SECONDS"))) == {
        "SIAGA_RELAY_POLL_SECONDS",
        "SIAGA_RELAY_PULL_SECONDS",
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_settings_named_in_documents_exist(document: Path) -> None:
    known = {name for name, _ in settings()} | NOT_SETTINGS
    exported = set(re.findall(r"\b(SIAGA_[A-Z0-9_]+)(?=[=`\s])", document.read_text()))
    unknown = {name for name in exported if name not in known and name.removesuffix("_FILE") not in known}
    assert not {name for name in unknown if not any(each.startswith(name) for each in known)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_documents_exist(document: Path) -> None:
    wrong = [problem for words in commands_in(document.read_text()) if (problem := unknown_command(words))]
    assert not wrong, wrong


def test_the_readme_shows_the_commands_that_matter() -> None:
    typed = {words[:2] for words in commands_in(README.read_text())}
    assert {("make", "demo"), ("make", "test"), ("siaga", "migrate"), ("siaga", "serve"), ("siaga", "worker"), ("siaga", "relay")} <= typed


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```sh\nmake demmo  # a story\n```", "make demmo"),
        ("run `make test` or `make tests`", "make tests"),
        ("```sh\nsiaga import x.csv --dry\n```", "siaga import --dry"),
        ("`.venv/bin/siaga staff invent x`", "siaga staff invent"),
        ("```sh\nsiaga serve & siaga walk &\n```", "siaga walk"),
    ],
)
def test_a_command_that_does_not_exist_would_be_seen(text: str, wrong: str) -> None:
    assert [problem for words in commands_in(text) if (problem := unknown_command(words))] == [wrong]


@pytest.mark.parametrize("target", ["demo", "bench"])
def test_what_the_makefile_calls_exists(target: str) -> None:
    recipes = re.findall(r"\$\(RUN\)/(siaga [a-z]+)", (CHECKOUT / "Makefile").read_text())
    called = [recipe for recipe in recipes if recipe.endswith(target)]
    assert called
    assert not [problem for recipe in called if (problem := unknown_command(tuple(recipe.split())))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_relative_link_is_dead(document: Path) -> None:
    assert not dead_links(document, document.read_text())


def test_a_dead_link_would_be_seen() -> None:
    text = "[a](docs/adr) [b](LICENSE#x) [c](https://example.org/gone) ![d](docs/gone.svg)"
    assert dead_links(README, text) == ["docs/gone.svg"]


def test_the_readme_fits_two_screens_and_shows_one_picture() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= README_LINES
    assert re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text) == ["docs/flow.svg"]
    picture = ET.parse(CHECKOUT / "docs" / "flow.svg").getroot()
    assert picture.find("{*}title") is not None
    assert "prefers-color-scheme: dark" in "".join(picture.itertext())


def test_decision_records_are_numbered_without_a_gap() -> None:
    assert [path.name[:5] for path in RECORDS] == [f"{number:04}-" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_a_decision_record_is_short_and_whole(record: Path) -> None:
    lines = record.read_text().splitlines()
    assert len(lines) <= ADR_LINES
    assert [line for line in lines if line.startswith("## ")] == list(ADR_PARTS)
    assert lines[0].startswith(f"# {record.name[:4]} ")


@pytest.mark.parametrize("record", [*RECORDS, CHECKOUT / "SECURITY.md"], ids=name_of)
def test_files_named_in_decision_records_exist(record: Path) -> None:
    named = re.findall(r"`((?:alerts|workers|tests|docs|deploy)/[\w./-]+)`", record.read_text())
    missing = [name for name in named if not (CHECKOUT / name).exists() and not (CHECKOUT / f"{name}.py").exists()]
    assert not missing, missing


def test_every_part_of_a_crisis_file_is_described() -> None:
    described = set(SPAN.findall((CHECKOUT / "docs" / "crisis-file.md").read_text()))
    parts: tuple[type[BaseModel], ...] = (crisis.Crisis, crisis.Broadcast, *get_args(crisis.Step))
    names = {field.alias or name for part in parts for name, field in part.model_fields.items()}
    kinds = {kind for part in get_args(crisis.Step) for kind in get_args(part.model_fields["kind"].annotation)}
    assert names | kinds <= described
    assert crisis.FORM in described


def test_publiccode_has_what_the_standard_asks_for() -> None:
    described = yaml.safe_load((CHECKOUT / "publiccode.yml").read_text())
    top = {"publiccodeYmlVersion", "name", "url", "platforms", "categories", "developmentStatus", "softwareType"}
    assert top | {"description", "legal", "maintenance", "localisation"} <= described.keys()
    assert described["legal"]["license"] == "Apache-2.0"
    assert described["localisation"]["availableLanguages"] == ["id", "en"]
    for words in described["description"].values():
        assert len(words["shortDescription"]) <= 150
        assert 150 <= len(words["longDescription"]) <= 10_000
        assert words["features"]


def test_the_licence_is_whole_and_the_changelog_has_this_version_or_is_unreleased() -> None:
    licence = (CHECKOUT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "## [Unreleased]" in (CHECKOUT / "CHANGELOG.md").read_text()
