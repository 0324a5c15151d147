"""Count the faults that the tests inject, and print how many of each kind were survived.

A test that injects a fault says so: ``@pytest.mark.fault("Bad input")``, with ``count=12`` where one test tries
twelve of them, or ``record_property("faults", number)`` where it knows only once it runs. Those that take long are
marked ``torture``, too, and run with ``make torture`` only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable

import pytest

_PART, _COUNT = "fault part", "faults"
_OUTCOMES = ("passed", "failed", "error", "skipped", "")
"""Under which pytest keeps the reports of set-up, call and clearing up."""
_CRASHED = "(a process of the tests ended)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in each report, which other processes hand on, what kind of fault the test injects and how many."""
    report = yield
    marker = item.get_closest_marker("fault")
    if marker is not None:
        recorded = dict(item.user_properties)
        report.user_properties.append((_PART, marker.args[0]))
        if _COUNT not in recorded:
            report.user_properties.append((_COUNT, marker.kwargs.get("count", 1)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table below the other results."""
    found = [report for outcome in _OUTCOMES for report in terminalreporter.stats.get(outcome, ())]
    lines = table(report for report in found if isinstance(report, pytest.TestReport))
    if lines:
        terminalreporter.section("faults", sep="-")
        for line in lines:
            terminalreporter.write_line(line)


def table(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Tried, survived, lost and not tried by kind of fault, as the lines of a Markdown table; none without faults.

    A test's faults are survived where its set-up, itself and its clearing up passed. One whose process ended is lost.
    """
    tests: defaultdict[str, list[pytest.TestReport]] = defaultdict(list)
    for report in reports:
        tests[report.nodeid].append(report)
    tried: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for phases in tests.values():
        properties = dict(pair for report in phases for pair in report.user_properties)
        if any(report.when == "???" for report in phases):  # by which pytest-xdist tells of a process that is gone
            tried[_CRASHED] += 1
            continue
        if _PART not in properties:
            continue
        part, count = str(properties[_PART]), int(str(properties[_COUNT]))
        if any(report.failed for report in phases):
            tried[part] += count
        elif any(report.skipped for report in phases):
            skipped[part] += count
        else:
            tried[part] += count
            survived[part] += count
    if not tried + skipped:
        return []
    rows = [(part, tried[part], survived[part], skipped[part]) for part in sorted(tried + skipped)]
    rows.append(("all", tried.total(), survived.total(), skipped.total()))
    width = max(len(part) for part, *_ in rows)
    heading = [
        f"| {'faults':{width}} | tried | survived | lost | not tried |",
        f"| {'-' * width} | ----: | -------: | ---: | --------: |",
    ]
    return heading + [
        f"| {part:{width}} | {all_:5} | {kept:8} | {all_ - kept:4} | {left:9} |" for part, all_, kept, left in rows
    ]
