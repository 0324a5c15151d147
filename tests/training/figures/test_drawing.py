"""What all figures share."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from napari_ddmd.case import Case
from src_training.figures.drawing import brain_crop, counted, new_figure, save_figure
from src_training.recipe import Recipe
from src_training.run import Run


def test_the_crop_is_square_and_holds_the_brain() -> None:
    images = np.zeros((4, 3, 40, 60), np.float32)
    images[:, 1, 10:20, 22:46] = 1
    case = Case.from_arrays("a", images)
    rows, columns = brain_crop(case, 1)

    assert case.brain[1][rows, columns].sum() == case.brain[1].sum() == 240
    assert rows.stop - rows.start == columns.stop - columns.start == 29
    assert rows.start == 0


def test_a_figure_is_two_pictures_and_its_numbers(tmp_path: Path) -> None:
    run = Run(Recipe(out=tmp_path))

    def draw() -> list[bytes]:
        figure = new_figure(2.0, "A title", "A caption, " * 40)
        figure.subplots().plot([1, 2, 3])
        return [path.read_bytes() for path in save_figure(run, "trial", figure, {"n": 3})]

    picture, drawing, numbers = draw()
    assert picture.startswith(b"\x89PNG")
    assert b">A title</text>" in drawing
    assert b"<dc:date>" not in drawing
    assert json.loads(numbers) == {"n": 3}
    assert draw() == [picture, drawing, numbers]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["trial.json", "trial.png", "trial.svg"]


def test_numbers_have_their_nouns() -> None:
    assert [counted(number, "slice") for number in (0, 1, 1200)] == ["0 slices", "1 slice", "1,200 slices"]
