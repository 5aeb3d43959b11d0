"""Skips say why; and where everything was installed, a skip for want of something is a failure.

`pytest.skip("missing: chromium")` is for what a machine may lack. `SIAGA_STRICT_SKIPS=1` (set by `.ci/run`) fails the run then.
"""

from __future__ import annotations

import pytest

MISSING = "missing:"


class StrictSkips:
    """A plugin of the controller, which sees the reports of all workers."""

    def __init__(self, *, is_strict: bool) -> None:
        self.is_strict = is_strict
        self.missing: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self._see(report.nodeid, report.longrepr[2])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self._see(report.nodeid, report.longrepr[2])

    def _see(self, where: str, reason: str) -> None:
        said = reason.removeprefix("Skipped: ").removeprefix("Skipped").strip()
        if said.startswith(MISSING):
            self.missing.append(f"{where}: {said}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.is_strict and self.missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.missing:
            terminalreporter.write_line(f"{'FAILED' if self.is_strict else 'skipped'} for want of something: {line}")
