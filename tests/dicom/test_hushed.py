from __future__ import annotations

import threading
import warnings

from pydicom import config

from napari_ddmd.dicom.hushed import hushed


def test_nothing_is_heard_and_all_is_as_before() -> None:
    before = list(warnings.filters)
    with hushed(), hushed():
        warnings.warn("a scanner's habit", stacklevel=1)
    assert list(warnings.filters) == before


def test_two_threads_do_not_put_back_each_others_silence() -> None:
    before = list(warnings.filters), config.settings.reading_validation_mode
    first_is_in, second_is_in, go = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with hushed(), config.disable_value_validation():
            first_is_in.set()
            go.wait(10)

    def second() -> None:
        with hushed(), config.disable_value_validation():
            second_is_in.set()

    threads = [threading.Thread(target=target) for target in (first, second)]
    threads[0].start()
    assert first_is_in.wait(10)
    threads[1].start()
    assert not second_is_in.wait(0.1)
    go.set()
    for thread in threads:
        thread.join(10)
    assert second_is_in.is_set()
    assert (list(warnings.filters), config.settings.reading_validation_mode) == before
