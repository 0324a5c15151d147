from __future__ import annotations

from typing import Literal

import pytest

from tests.fault_table import table

SUITE = """
    import pytest

    @pytest.mark.fault("Bad input")
    @pytest.mark.parametrize("size", [1, 2])
    def test_one(size):
        pass

    @pytest.mark.fault("Bad input", count=10)
    def test_many():
        pass

    @pytest.mark.fault("Full disk")
    def test_lost():
        raise AssertionError

    @pytest.mark.fault("Full disk")
    def test_counted(record_property):
        record_property("faults", 4)

    @pytest.mark.fault("Full disk")
    def test_not_tried():
        pytest.skip()

    @pytest.mark.fault("Full disk", count=3)
    @pytest.mark.skipif(True, reason="not here")
    def test_not_tried_here():
        pass

    def test_other():
        pass
"""


def report(outcome: Literal["passed", "failed"], *properties: tuple[str, object]) -> pytest.TestReport:
    where = ("file", 1, "test")
    return pytest.TestReport("id", where, {}, outcome, None, "call", user_properties=list(properties))


def test_without_faults_there_is_no_table() -> None:
    assert table([report("passed")]) == []


def test_lost_is_what_was_tried_and_not_survived() -> None:
    reports = [
        report("passed", ("fault part", "A"), ("faults", 3)),
        report("failed", ("fault part", "A"), ("faults", 1)),
    ]
    lines = table(reports)
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["A", "4", "3", "1", "0"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_faults_are_counted_by_part_in_every_process(workers: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    pytester.makeini("[pytest]\nmarkers =\n    fault: a fault")
    done = pytester.runpytest_subprocess("-p", "tests.fault_table", "-n", workers)
    done.stdout.fnmatch_lines(
        [
            "| Bad input |    12 |       12 |    0 |         0 |",
            "| Full disk |     5 |        4 |    1 |         4 |",
            "| all       |    17 |       16 |    1 |         4 |",
        ]
    )
