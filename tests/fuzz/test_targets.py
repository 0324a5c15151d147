"""What is fuzzed is reached: the seeds are read whole, and changes of them are refused or read."""

from __future__ import annotations

import importlib
import json
from random import Random
from types import ModuleType

import pytest

from fuzz.expect import refusal
from fuzz.mutate import changed_header, changed_json
from fuzz.targets import TARGETS
from napari_ddmd.case import CaseError

WHOLE = {
    "nifti": (0,),
    "bundle": (0, 1, 2),
    "session": (0, 2),
    "autosave": (0, 1, 2),
    "dicom": (0,),
}


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"fuzz.targets.{request.param}")


def test_seeds_are_as_long_as_inputs_may_be(target: ModuleType) -> None:
    assert 1 < len(target.seeds()) < 20
    assert all(len(seed) <= target.LONGEST for seed in target.seeds())
    assert target.seeds() == target.seeds()


@pytest.mark.fault("Bad input", count=40)
def test_seeds_and_changes_of_them_raise_nothing(target: ModuleType) -> None:
    seeds = target.seeds()
    for seed in seeds:
        target.run(seed)
    random = Random(0)
    for number in range(40):
        changed = target.mutate(seeds[number % len(seeds)], random)
        target.run(changed)
        target.run(changed[: random.randrange(len(changed) + 1)])


def test_whole_seeds_are_read_not_refused(target: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that is refused at the door would lead the fuzzer nowhere."""
    monkeypatch.setattr(target, "refusal", lambda *kinds: refusal())  # takes no error for an answer
    for whole in WHOLE[target.__name__.rpartition(".")[2]]:
        target.run(target.seeds()[whole])


def test_an_answer_is_one_line() -> None:
    with refusal(CaseError):
        raise CaseError("x.nii: the file is empty; copy it again")
    with pytest.raises(AssertionError, match="not one plain line"), refusal(CaseError):
        raise CaseError("x.nii:\nthe file is empty")
    with pytest.raises(KeyError), refusal(CaseError):
        raise KeyError("x")


def test_changes_change() -> None:
    random = Random(1)
    header, document = bytes(352), json.dumps({"a": [1, {"b": "c"}], "d": None}).encode()
    assert len({changed_header(header, random) for _ in range(50)}) > 30
    assert {len(changed_header(header, random)) for _ in range(50)} == {352}
    assert len({changed_json(document, random) for _ in range(50)}) > 25
    assert changed_json(b"{", random) == b"{"


def test_changes_of_changes_stay_documents() -> None:
    """Values that are put in can be changed in their turn, and never come to hold themselves."""
    random, document = Random(2), b"[]"
    for _ in range(3000):
        document = changed_json(document, random)[:4000]
        try:
            json.loads(document)
        except ValueError:
            document = b'{"a": [1, 2]}'
