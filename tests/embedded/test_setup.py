"""What a machine that lacks something is told, and how strict a build machine is with skips."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alerts.embedded.scratch import CHECKOUT

SKIPPING = {
    "chromium": "import pytest\ndef test_page():\n    pytest.skip('missing: chromium')\n",
    "root": "import pytest\ndef test_root():\n    pytest.skip('only root may do this')\n",
}


def without_make() -> dict[str, str]:
    """The environment as if these tests had not been started by make themselves."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}


def preflight(prelude: str) -> subprocess.CompletedProcess[str]:
    """Run the check with a Python that says of itself what `prelude` makes it say."""
    code = f"import sys; {prelude}; exec(open('.ci/preflight.py').read())"
    return subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_an_old_python_gets_one_sentence_with_a_remedy() -> None:
    done = preflight("sys.version_info = (3, 9, 18)")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "Siaga needs Python 3.11 or newer and this python3 is 3.9: install a newer one and name it, "
        "for example: make PYTHON=python3.11 test"
    )


def test_a_python_without_pip_gets_one_sentence_with_a_remedy() -> None:
    done = preflight("import importlib.util as u; u.find_spec = lambda _: None")
    assert done.returncode == 1
    assert "apt-get install python3-pip" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("version", ["(3, 11, 0)", "(3, 13, 1)"])
def test_a_good_python_passes_in_silence(version: str) -> None:
    done = preflight(f"import importlib.util as u; u.find_spec = lambda _: u; sys.version_info = {version}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_lists_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=CHECKOUT, env=without_make(), capture_output=True, text=True, check=True).stdout
    listed = [line.split()[1] for line in said.splitlines()]
    assert listed == ["help", "demo", "test", "check", "bench", "faults", "migration", "fmt", "clean"]


@pytest.mark.parametrize(
    ("test", "is_strict", "expected"),
    [
        ("chromium", True, pytest.ExitCode.TESTS_FAILED),
        ("chromium", False, pytest.ExitCode.OK),
        ("root", True, pytest.ExitCode.OK),
    ],
)
def test_a_skip_for_want_of_something_fails_a_build_machine(tmp_path: Path, test: str, is_strict: bool, expected: int) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(SKIPPING[test])
    (tmp_path / "conftest.py").write_text(
        "from tests.support.skips import StrictSkips\n"
        f"def pytest_configure(config):\n    config.pluginmanager.register(StrictSkips(is_strict={is_strict}))\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environ = os.environ | {"PYTHONPATH": str(CHECKOUT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stdout


def test_the_build_machine_runs_the_readmes_command_and_fails_with_it(tmp_path: Path) -> None:
    """`.ci/run` in a checkout whose `make` fails: its own exit status must say so."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(CHECKOUT / ".ci" / "run", tmp_path / ".ci" / "run")
    for failing in ("test", "check", "neither"):
        lines = [f"{t}:\n\t@echo ran-{t}; {'false' if t == failing else 'true'}\n" for t in ("test", "check")]
        (tmp_path / "Makefile").write_text(".PHONY: test check\n" + "".join(lines))
        done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=without_make(), capture_output=True, text=True, check=False)
        assert "ran-test" in done.stdout
        assert "ran-check" in done.stdout
        assert (done.returncode == 0) == (failing == "neither")
