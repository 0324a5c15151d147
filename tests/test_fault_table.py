from __future__ import annotations

from typing import Literal

import pytest

from tests.fault_table import table

Phase = Literal["setup", "call", "teardown"]

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

    @pytest.fixture
    def beginning():
        raise OSError

    @pytest.mark.fault("Full disk")
    def test_lost_before_it_began(beginning):
        pass

    @pytest.fixture
    def end():
        yield
        raise OSError

    @pytest.mark.fault("Full disk", count=2)
    def test_lost_at_its_end(end):
        pass
"""


def report(
    test: str, outcome: Literal["passed", "failed"], *properties: tuple[str, object], when: Phase = "call"
) -> pytest.TestReport:
    where = ("file", 1, test)
    return pytest.TestReport(test, where, {}, outcome, None, when, user_properties=list(properties))


def test_without_faults_there_is_no_table() -> None:
    assert table([report("one", "passed")]) == []


def test_lost_is_what_was_tried_and_not_survived() -> None:
    reports = [
        report("one", "passed", ("fault part", "A"), ("faults", 3)),
        report("two", "failed", ("fault part", "A"), ("faults", 1)),
    ]
    lines = table(reports)
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["A", "4", "3", "1", "0"]


OPTIONS = ("-p", "tests.fault_table", "-p", "xdist")


@pytest.fixture(autouse=True)
def _processes_load_no_more_than_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the plugins that are installed: napari's alone takes seconds in each process."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_faults_are_counted_by_part_in_every_process(workers: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    pytester.makeini("[pytest]\nmarkers =\n    fault: a fault")
    done = pytester.runpytest_subprocess(*OPTIONS, "-n", workers)
    done.stdout.fnmatch_lines(
        [
            "| Bad input |    12 |       12 |    0 |         0 |",
            "| Full disk |     8 |        4 |    4 |         4 |",
            "| all       |    20 |       16 |    4 |         4 |",
        ]
    )


def test_a_process_that_ends_is_a_fault_that_is_lost(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import os
        import pytest

        @pytest.mark.fault("Full disk")
        def test_one():
            os._exit(3)

        @pytest.mark.fault("Full disk")
        def test_two():
            pass
    """)
    pytester.makeini("[pytest]\nmarkers =\n    fault: a fault")
    done = pytester.runpytest_subprocess(*OPTIONS, "-n", "2")
    done.stdout.fnmatch_lines(["| all * |     2 |        1 |    1 |         0 |"])
