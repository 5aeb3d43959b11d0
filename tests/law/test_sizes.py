"""Sizes and names that keep the house readable."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from alerts.embedded.scratch import CHECKOUT

FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 6
POSITIONAL = 3
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "service"}
SLICE_FILES = 6


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (CHECKOUT / folder).rglob("*.py"))


PRODUCT = sources("alerts", "workers")
EVERYTHING = [*PRODUCT, *sources("tests")]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function):
            yield node


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def test_there_is_something_to_judge() -> None:
    assert len(PRODUCT) > 50
    assert sum(1 for path in PRODUCT for _ in functions(path)) > 300


def test_no_file_is_longer_than_it_may_be() -> None:
    too_long = {name_of(p): n for p in EVERYTHING if (n := len(p.read_text().splitlines())) > FILE_LINES}
    assert not too_long, f"split these (at most {FILE_LINES} lines): {too_long}"


def test_no_function_is_longer_than_it_may_be() -> None:
    too_long = {
        f"{name_of(path)}:{f.lineno} {f.name}": length
        for path in PRODUCT
        for f in functions(path)
        if (length := (f.end_lineno or f.lineno) - f.lineno + 1) > FUNCTION_LINES and "migrations/versions" not in str(path)
    }
    assert not too_long, f"at most {FUNCTION_LINES} lines: {too_long}"


def test_no_function_takes_more_than_six_parameters() -> None:
    too_many = {}
    for path in PRODUCT:
        for f in functions(path):
            named = [a for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs) if a.arg not in ("self", "cls")]
            if len(named) > PARAMETERS and not is_route(f):
                too_many[f"{name_of(path)}:{f.lineno} {f.name}"] = len(named)
    assert not too_many, f"at most {PARAMETERS}: {too_many}"


def is_route(function: Function) -> bool:
    """FastAPI's dependencies are parameters; a route says its inputs there and nowhere else."""
    return any("router." in ast.unparse(decorator) for decorator in function.decorator_list)


def test_names_say_what_a_module_is_about() -> None:
    vague = [name_of(p) for p in PRODUCT if p.stem in FORBIDDEN_NAMES or p.parent.name in FORBIDDEN_NAMES]
    assert not vague, f"a module of this name attracts everything: {vague}"


def test_nothing_is_left_to_do_later() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK")
    lines = [(p, n, line) for p in EVERYTHING for n, line in enumerate(p.read_text().splitlines(), 1)]
    found = [f"{name_of(p)}:{n}" for p, n, line in lines if any(mark in line for mark in marks)]
    assert not found, found


@pytest.mark.parametrize("path", [CHECKOUT / "Makefile"])
def test_each_target_has_at_most_three_lines_and_says_what_it_does(path: Path) -> None:
    recipes: dict[str, int] = {}
    target = ""
    for line in path.read_text().splitlines():
        if line.startswith("\t"):
            recipes[target] += 1
        elif ":" in line and not line.startswith(("#", "export", "$(shell", ".PHONY", ".DEFAULT")) and ":=" not in line:
            target = line
            recipes[target] = 0
    asked = {"help", "demo", "test", "check", "bench", "faults", "migration", "fmt", "clean"}
    assert asked == {t.partition(":")[0] for t in recipes if t.partition(":")[0].isalpha()}
    assert all("## " in t for t in recipes if t.partition(":")[0] in asked)
    assert max(recipes.values()) <= 3
