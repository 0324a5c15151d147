"""The card of a training says what a person asks later."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import nn

from src_training.run_card import write_card


def test_the_card_tells_what_was_done(tmp_path: Path) -> None:
    write_card(
        tmp_path,
        "unet fold1",
        nn.Linear(99, 10),
        steps=2000,
        seconds=400.0,
        losses={"loss": 0.125, "dice_cross_entropy": 0.5},
        batch=16,
        accumulate=2,
        fabric=Fabric(accelerator="cpu", devices=1, precision="bf16-mixed"),
        facts={"Patients": 12},
    )
    card = (tmp_path / "card.md").read_text()

    assert card.startswith("# unet fold1\n")
    for row in (
        "| Network | Linear, 1,000 parameters |",
        "| Patients | 12 |",
        "| Steps | 2,000 |",
        "| Batch | 16 slices, in 2 parts |",
        "| Precision | bf16-mixed |",
        "| Processes | 1 |",
        "| Time | 400.0 s, 5.00 steps/s |",
        f"| PyTorch | {torch.__version__} |",
        "| Final loss | 0.125 |",
        "| Final dice cross entropy | 0.5 |",
        f"tensorboard --logdir {tmp_path}",
    ):
        assert row in card.splitlines()
    assert json.loads((tmp_path / "timing.json").read_text()) == {"seconds": 400.0, "steps": 2000}
