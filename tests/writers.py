"""Everything that the product writes, each in two versions: for the tests that cut it off at every point."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.whole_files import ExportError

Write = Callable[[Path, int], object]
"""Writes version 0 or 1 of its files into a folder."""


def small_case(version: int = 0) -> Case:
    draw = np.random.default_rng(version)
    mask = np.zeros((5, 12, 14), np.uint8)
    mask[1:4, 3:7, 4 + version : 9] = 1
    images = draw.uniform(100, 900, (4, *mask.shape)).astype(np.float32)
    return Case.from_arrays("Small_001", images, mask=mask)


def text() -> Write:
    from napari_ddmd.whole_files import write_text

    return lambda folder, version: write_text(folder / "lesions.csv", f"version {version}\n" * 500)


def volume() -> Write:
    from napari_ddmd.export import save_volume

    cases = [small_case(version) for version in range(2)]
    return lambda folder, version: save_volume(
        folder / "mask.nii.gz", cases[version].images[0], cases[version], dtype=np.float32
    )


def autosave() -> Write:
    from napari_ddmd.viewer.autosave import Autosave, Edits

    def write(folder: Path, version: int) -> object:
        store = Autosave(folder)
        store._token = "12345678"
        mask = np.full((4, 6, 5), version, np.uint8)
        return store.save("0123456789abcdef01234567", Edits(mask, np.zeros_like(mask), 0.5))

    return write


@contextmanager
def _drawn_once() -> Iterator[None]:
    """Pictures of the report are drawn once for each content: nothing of them goes through a file of its own."""
    from napari_ddmd.report import page

    with ExitStack() as stack:
        for name in ("slice_pictures", "map_pictures", "score_plot"):
            stack.enter_context(mock.patch.object(page, name, _kept(name, getattr(page, name))))
        yield


_DRAWN: dict[tuple[str, bytes], Any] = {}


def _kept(name: str, draw: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def kept(content: Any) -> Any:
        key = (name, content.mask.tobytes())
        if key not in _DRAWN:
            _DRAWN[key] = draw(content)
        return _DRAWN[key]

    return kept


def prediction() -> Write:
    from napari_ddmd.export import save_prediction
    from napari_ddmd.model import untrained_bundle
    from tests.results import finished

    bundle = untrained_bundle("full")
    cases = [small_case(version) for version in range(2)]
    volumes = [finished(case) for case in cases]

    def write(folder: Path, version: int) -> object:
        # What the process weighs differs from time to time.
        with mock.patch("napari_ddmd.summary.peak_memory_mb", return_value=100.0), _drawn_once():
            return save_prediction(
                folder,
                cases[version],
                bundle,
                volumes[version],
                settings={"seed": version},
                device="cpu",
                seconds=1.0,
                threshold=0.5,
                overwrite=True,
                report=True,
                images_sha256=str(version),
            )

    return write


def _saveables() -> list[Any]:
    from napari_ddmd.saveable import Saveable
    from tests.results import finished

    cases = [small_case(version) for version in range(2)]
    volumes = [finished(case) for case in cases]
    return [
        Saveable(case=case, mask=found.mask(), volumes=found, threshold=0.5, is_models=True)
        for case, found in zip(cases, volumes, strict=True)
    ]


def results() -> Write:
    from napari_ddmd.viewer.saving import save_results

    contents = _saveables()
    kinds = ("mask", "probability", "maps", "lesions", "report")

    def write(folder: Path, version: int) -> object:
        with _drawn_once():
            return save_results(folder, kinds, contents[version])

    return write


def report() -> Write:
    from napari_ddmd.report import write_report

    contents = _saveables()

    def write(folder: Path, version: int) -> object:
        with _drawn_once():
            return write_report(folder / "report.html", contents[version])

    return write


def overview() -> Write:
    from matplotlib.figure import Figure
    from PIL import Image

    from napari_ddmd import overview as module

    contents = _saveables()
    savefig, drawn = Figure.savefig, {}

    def write(folder: Path, version: int) -> object:
        content = contents[version]

        def save(figure: Figure, path: Path, **options: Any) -> None:
            """Draw once: that takes long. The file is written by the same library, in the same way."""
            if version not in drawn:
                stream = io.BytesIO()
                savefig(figure, stream, **options)
                drawn[version] = Image.open(stream)
            drawn[version].save(path, format="png")

        with (
            mock.patch.object(module, "overview_slices", return_value=[2]),
            mock.patch.object(Figure, "savefig", save),
        ):
            return module.save_overview(folder / "overview.png", content.case, content.volumes, 0.5)

    return write


@contextmanager
def what_is_there_passed_over() -> Iterator[None]:
    """Let a folder that is there already be refused, and nothing else."""
    try:
        yield
    except ExportError as error:
        if "not an empty folder" not in str(error):
            raise


def imported_case() -> Write:
    from napari_ddmd.dicom.convert import write_nifti_case

    cases = [small_case(version) for version in range(2)]

    def write(folder: Path, version: int) -> object:
        with what_is_there_passed_over():
            return write_nifti_case(folder / f"Imported_{version:03d}", cases[version])

    return write


def segmentation() -> Write:
    from napari_ddmd.dicom import accepted, find_study, propose
    from napari_ddmd.dicom import segmentation as module
    from napari_ddmd.dicom.load import load_study
    from tests.dicom.studies import StudyWriter, flat

    place = tempfile.mkdtemp()
    writer = StudyWriter(Path(place) / "study")
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)))
    case = load_study(accepted(propose(find_study(writer.folder))))
    masks = [np.zeros(case.grid.shape, np.uint8) for _ in range(2)]
    for version, mask in enumerate(masks):
        mask[3:7, 4 : 8 + version, 5:9] = 1
    make, made = module._segmentation, {}

    def the_same_again(sources: Any, pixels: NDArray[np.bool_], how: str) -> Any:
        key = pixels.tobytes()
        if key not in made:
            made[key] = _timeless(make(sources, pixels, how))
        return made[key]

    def write(folder: Path, version: int) -> object:
        with mock.patch.object(module, "_segmentation", the_same_again):
            return module.write_segmentation(folder / "lesion_seg.dcm", masks[version], case)

    weakref.finalize(write, shutil.rmtree, place, ignore_errors=True)  # the study stays as long as its writer
    return write


def _timeless(dataset: Any) -> Any:
    """Take out of a DICOM object what is another each time: moments, and the identifiers that are drawn."""

    def settle(_parent: Any, element: Any) -> None:
        if element.VR in ("DA", "TM", "DT"):
            element.value = ""
        elif element.VR == "UI" and not str(element.value).startswith("1.2.840."):
            element.value = "1.2.3"

    dataset.walk(settle)
    dataset.file_meta.walk(settle)
    return dataset


STORED_SESSION = Path(__file__).parent / "viewer" / "session" / "files" / "session-5.ddmd"


def session(template: Path = STORED_SESSION) -> Write:
    from napari_ddmd.viewer.session.archive import read_arrays, read_session, write_session

    stored = read_session(template)
    arrays = [read_arrays(template, stored) for _ in range(2)]
    arrays[1]["lesion"] = 1 - arrays[1]["lesion"]
    return lambda folder, version: write_session(folder / "s.ddmd", stored, arrays[version].items())


def history() -> Write:
    from napari_ddmd.run_history import Pace, RunHistory

    paces = [Pace(voxel_s=1.0 + version, slice_s=1.0, call_s=1.0, row_s=1.0) for version in range(2)]

    def write(folder: Path, version: int) -> object:
        path = folder / "runs.json"
        RunHistory(path).keep_pace("cpu", paces[version])
        # It says nothing of a failure: no run may fail for it.
        with suppress(OSError, ValueError):
            if json.loads(path.read_text())["paces"]["cpu"]["voxel_s"] == 1.0 + version:
                return path
        raise OSError("not kept")

    return write


def checkpoint() -> Write:
    import torch

    from src_training.checkpoint import Checkpoint

    states: list[Any] = []
    for version in range(2):
        torch.manual_seed(version)
        model = torch.nn.Linear(40, 30)
        optimizer = torch.optim.AdamW(model.parameters())
        states.append((model, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer)))
    return lambda folder, version: Checkpoint(folder / "state.pt", *states[version], None, None).save(version, 1.0)


def training_files() -> Write:
    import torch

    from src_training import files

    def write(folder: Path, version: int) -> None:
        files.write_json(folder / "metrics.json", {"dice": [version] * 300})
        files.write_array(folder / "maps.npy", np.full((30, 30), version))
        files.write_tensors(folder / "denoiser.safetensors", {"a": torch.full((30, 30), float(version))})

    return write


def bundle() -> Write:
    from napari_ddmd.model import save_bundle, untrained_bundle

    bundles = [untrained_bundle("full", seed=version) for version in range(2)]
    return lambda folder, version: save_bundle(folder, bundles[version])


def card() -> Write:
    from napari_ddmd.model import save_bundle, untrained_bundle

    bundles = [untrained_bundle("mini", name=f"version {version}") for version in range(2)]
    return lambda folder, version: save_bundle(folder, bundles[version])


def synthetic_case() -> Write:
    from napari_ddmd.synthetic import case as module

    draw = np.random.default_rng(0)
    image = draw.integers(0, 900, (8, 8, 8)).astype(np.int16)
    made = module.SyntheticCase(dict.fromkeys(MODALITIES, image), (image > 500).astype(np.uint8), np.eye(4))

    def write(folder: Path, version: int) -> object:
        with mock.patch.object(module, "make_case", return_value=made), what_is_there_passed_over():
            return module.write_case(folder / f"Synthetic_{version:03d}", version, "Synthetic_000")

    return write


WRITERS: dict[str, Callable[[], Write]] = {
    "text": text,
    "volume": volume,
    "autosave": autosave,
    "history": history,
    "prediction": prediction,
    "results": results,
    "report": report,
    "overview": overview,
    "imported_case": imported_case,
    "session": session,
    "segmentation": segmentation,
    "checkpoint": checkpoint,
    "training_files": training_files,
    "bundle": bundle,
    "card": card,
    "synthetic_case": synthetic_case,
}


def make_writer(name: str) -> Write:
    """One of `WRITERS`, or ``session=FILE``, which writes that session again."""
    name, _, template = name.partition("=")
    return session(Path(template)) if template else WRITERS[name]()


def contents(folder: Path) -> dict[str, bytes]:
    """What stands under names that are not hidden, to any depth."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
