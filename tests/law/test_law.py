"""The dependency law, and who may commit. `make check` runs the same contracts; here they fail with the other tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from alerts.embedded.scratch import CHECKOUT
from alerts.migrations import alembic_config, newest_revision
from tests.law.test_sizes import EVERYTHING, PRODUCT, name_of, tree_of

ONLY_COMMITTER = "alerts/kit/db.py"
ROOMS = [CHECKOUT / name for name in (".ci", "alerts", "workers", "tests", "deploy", "docs")]
ENDS_TRANSACTIONS = {"commit", "begin_nested"}


def test_the_dependency_law_holds(process_environment: dict[str, str]) -> None:
    argv = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--cache-dir", ".run/cache/imports"]
    done = subprocess.run(argv, cwd=CHECKOUT, env=process_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_law_would_be_seen(tmp_path: Path, process_environment: dict[str, str]) -> None:
    """The same tool and the same words on a house of two rooms, one of which looks up."""
    for room, text in {"low": "from house import high\n", "high": ""}.items():
        (tmp_path / "house" / room).mkdir(parents=True)
        (tmp_path / "house" / room / "__init__.py").write_text(text)
    (tmp_path / "house" / "__init__.py").write_text("")
    layers = '[[tool.importlinter.contracts]]\nname = "law"\ntype = "layers"\nlayers = ["house.high", "house.low"]\n'
    (tmp_path / "pyproject.toml").write_text(f'[tool.importlinter]\nroot_packages = ["house"]\n{layers}')
    argv = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    environ = process_environment | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "house.low -> house.high" in done.stdout


def calls_of(path: Path) -> list[tuple[str, int]]:
    tree = tree_of(path)
    return [(n.func.attr, n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]


def test_nobody_commits_but_the_kit() -> None:
    found = [
        f"{name_of(path)}:{line} {called}()"
        for path in PRODUCT
        for called, line in calls_of(path)
        if called in ENDS_TRANSACTIONS and name_of(path) != ONLY_COMMITTER and "alerts/migrations" not in name_of(path)
    ]
    assert not found, f"use kit.db.begin() or the Tx dependency: {found}"


SKIPPING = {"pytest.skip": 0, "pytest.mark.skip": 0, "pytest.mark.skipif": 1}


def skips_without_reason(tree: ast.AST) -> list[int]:
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) in SKIPPING]
    silent = [c for c in calls if len(c.args) <= SKIPPING[ast.unparse(c.func)] and not any(k.arg == "reason" for k in c.keywords)]
    called = {id(c.func) for c in calls}
    bare = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n) == "pytest.mark.skip" and id(n) not in called]
    return [n.lineno for n in (*silent, *bare)]


def test_no_test_is_skipped_without_a_reason() -> None:
    found = {name_of(path): lines for path in EVERYTHING if (lines := skips_without_reason(tree_of(path)))}
    assert not found, found


@pytest.mark.parametrize("code", ["pytest.skip()", "@pytest.mark.skip\ndef f(): ...", "x = pytest.mark.skipif(True)"])
def test_a_skip_without_reason_would_be_seen(code: str) -> None:
    assert skips_without_reason(ast.parse(code))
    assert not skips_without_reason(ast.parse("pytest.skip('missing: x'); pytest.mark.skipif(True, reason='y')"))


@pytest.mark.parametrize("pattern", [r"except Exception:\s*\n\s*(pass|continue)\b", r"except:\s*\n"])
def test_no_error_is_swallowed(pattern: str) -> None:
    found = [name_of(path) for path in PRODUCT if re.search(pattern, path.read_text())]
    assert not found, found


def test_the_product_does_not_patch_or_sleep_in_tests_to_pass() -> None:
    patched = re.compile(r"(mock\.patch|monkeypatch\.setattr)\(\s*[\"']?(alerts|workers)\b")
    found = [name_of(path) for path in EVERYTHING if path.is_relative_to(CHECKOUT / "tests") and patched.search(path.read_text())]
    assert not found, f"no patching of our own code; fakes stand at the ports: {found}"


def test_this_machine_is_not_named_in_the_project() -> None:
    files = [path for folder in (CHECKOUT, *ROOMS) for path in (folder.iterdir() if folder == CHECKOUT else folder.rglob("*"))]
    words = re.compile("/wo" + r"rk/(main|shared)|/ro" + r"ot/\.pyenv")
    kinds = {".py", ".md", ".toml", ".yaml", ".yml", ".html", ".js", ".css", ".json", ""}
    readable = [p for p in files if p.is_file() and p.suffix in kinds]
    found = [name_of(p) for p in readable if words.search(p.read_text(errors="ignore"))]
    assert not found, found


def test_every_action_on_an_incident_has_words_on_its_page() -> None:
    """Names that the log of actions is given in the slices that act on incidents, and the table of words beside the log."""
    words = (CHECKOUT / "alerts/console/templates/_words.html").read_text(encoding="utf-8")
    slices = ("incidents", "broadcasts", "reports", "people", "checkins", "inbox")
    name = re.compile(r'"((?:incident|broadcast|report|conflict|person|checkin|inbound)\.[a-z_]+)"')
    used = {found for part in slices for found in name.findall((CHECKOUT / f"alerts/{part}/actions.py").read_text(encoding="utf-8"))}
    events = {
        "broadcast.copy_asked",
        "broadcast.follow_up_asked",
        "broadcast.freeze_asked",
        "inbound.received",
        "inbound.urgent",
        "person.changed",
        "report.resolved",
    }
    assert len(used - events) > 12
    assert [action for action in sorted(used - events) if f'"{action}"' not in words] == []


def test_migrations_are_linear_and_called_as_their_files() -> None:
    """A process learns from the files' names alone which version it needs."""
    scripts = ScriptDirectory.from_config(alembic_config(""))
    found = list(scripts.walk_revisions())
    assert newest_revision() == scripts.get_current_head() == found[0].revision
    assert [revision.revision for revision in found] == sorted((Path(revision.path).stem for revision in found), reverse=True)
