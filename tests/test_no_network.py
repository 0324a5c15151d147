"""Nothing reaches out: all of it works in processes that the kernel lets open no socket of the internet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import napari_ddmd
import src_training
from tests.training.conftest import PATIENTS, tiny_words, write_patient

ROOT = Path(__file__).parents[1]
SEALED = Path(__file__).parent / "sealed"
PACKAGES = (napari_ddmd, src_training)

PANEL = """
import sys
from pathlib import Path
import napari
from qtpy.QtCore import QEventLoop, QTimer
from napari_ddmd.viewer.widgets.panel import SegmentationPanel

def wait_for(there, what):
    loop, clock = QEventLoop(), QTimer()
    clock.timeout.connect(lambda: there() and loop.quit())
    QTimer.singleShot(90_000, lambda: sys.exit(f"no {what}"))
    clock.start(50)
    loop.exec()

case, model = map(Path, sys.argv[1:])
viewer = napari.Viewer()
dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd")
assert isinstance(panel, SegmentationPanel)
viewer.open(case, plugin="napari-ddmd")
wait_for(lambda: panel.model_box.bundle is not None, "packaged model")
panel.model_box.choose_folder(model)
wait_for(lambda: panel.model_box.bundle is not None and panel.run_bar.button.isEnabled(), "model")
panel.run_bar.button.click()
wait_for(lambda: panel.desk.results.done and panel.run_bar.button.text() == "Run", "result")
viewer.close()
print("done")
"""


def sealed(*words: str, cwd: Path = ROOT, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run Python shut off from the network."""
    own = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(SEALED), str(ROOT), *([own] if own else [])])
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def succeed(*words: str, cwd: Path = ROOT) -> str:
    done = sealed(*words, cwd=cwd)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
        "import socket; socket.getaddrinfo('example.org', 80)",
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
        "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', "
        "'import socket; socket.getaddrinfo(chr(97), 80)']).returncode)",
    ],
)
def test_who_tries_is_caught(attempt: str) -> None:
    done = sealed("-c", attempt)
    assert done.returncode != 0
    assert "tried to reach a network" in done.stderr or "Permission denied" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
def test_the_kernel_refuses_what_python_does_not_see() -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.socket(2, 1, 0) == libc.socket(10, 2, 0) == -1 and ctypes.get_errno() == 13
assert libc.socket(1, 1, 0) > 0  # windows and workers talk through these
"""
    succeed("-c", code)


@pytest.mark.fault("Network")
@pytest.mark.torture
def test_every_module_is_imported_without_a_network() -> None:
    names = [
        ".".join(module.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for module in sorted(Path(str(package.__file__)).parent.rglob("*.py"))
        if module.stem not in ("__init__", "__main__")
    ]
    assert len(names) > 200
    succeed("-c", "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)", *names)


@pytest.mark.fault("Network", count=2)
@pytest.mark.torture
def test_cases_are_segmented_without_a_network(
    small_case_folder: Path, tiny_model_folder: Path, tmp_path: Path
) -> None:
    words = ("predict", str(small_case_folder), "--model", str(tiny_model_folder), "--out", str(tmp_path), "--report")
    code = "import sys; from napari_ddmd.cli import main; sys.exit(main(['models']) or main(sys.argv[1:]))"
    assert "compact" in succeed("-c", code, *words)
    assert (tmp_path / small_case_folder.name / "summary.json").is_file()


@pytest.mark.fault("Network")
@pytest.mark.torture
def test_the_demonstration_needs_no_network(tmp_path: Path) -> None:
    assert "saved in" in succeed("-m", "napari_ddmd", "demo", "--headless", "--out", str(tmp_path))


@pytest.mark.fault("Network", count=2)
@pytest.mark.torture
def test_training_needs_no_network(tmp_path: Path) -> None:
    for seed, name in enumerate(PATIENTS):
        write_patient(tmp_path / "patients" / name, seed)
    words = tiny_words(Path("patients"), Path("run"), "--fold", "0", "--workers", "2")
    succeed("-m", "src_training", *words, cwd=tmp_path)
    succeed("-m", "src_training", "baseline", "deeplabv3plus", *words, "--baselines.iterations", "2", cwd=tmp_path)
    assert (tmp_path / "run" / "fold0" / "bundle" / "weights.safetensors").is_file()


@pytest.mark.fault("Network")
@pytest.mark.torture
def test_the_window_needs_no_network(small_case_folder: Path, tiny_model_folder: Path) -> None:
    assert "done" in succeed("-c", PANEL, str(small_case_folder), str(tiny_model_folder))
