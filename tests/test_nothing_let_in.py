"""No data becomes code: what would unpickle, evaluate, call a shell or fetch things stands nowhere in the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_ddmd

ROOT = Path(napari_ddmd.__file__).parents[1]
SOURCES = [module for package in ("napari_ddmd", "src_training") for module in sorted((ROOT / package).rglob("*.py"))]

MODULES = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "code", "codeop", "pty"),
    *("socket", "socketserver", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp", "pooch", "xmlrpc"),
    *("ftplib", "smtplib", "imaplib", "poplib", "telnetlib", "nntplib", "webbrowser", "huggingface_hub", "telemetry"),
    *("torch.hub", "torch.package", "monai.bundle", "monai.apps"),
}
BUILTINS = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}
SHELLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
}
PREDICTABLE = {"tempfile.mktemp", "tempfile.gettempdir"}
FETCHING = {"from_pretrained", "load_state_dict_from_url", "download_url_to_file", "hf_hub_download", "urlopen"}
MUST_SAY = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "np.save": ("allow_pickle", False),
    "numpy.save": ("allow_pickle", False),
}
YAML = {"yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"}


def dotted(node: ast.expr) -> str:
    """The name that is called, as in ``torch.load``; empty where it is no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else f"?.{node.attr}"
    return ""


def value_of(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else "not a constant"


def within(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def faults(source: str) -> Iterator[str]:
    """What stands in a source that must not, each with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: imports {name.name}" for name in node.names if within(name.name, MODULES))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                renamed = whole in {*MUST_SAY, *SHELLS, *YAML, *PREDICTABLE}
                if within(whole, MODULES) or renamed:
                    yield f"{node.lineno}: imports {whole}"
        elif isinstance(node, ast.Attribute) and within(dotted(node), {"torch.hub"}):
            yield f"{node.lineno}: uses torch.hub"
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith(("/tmp", "/var/tmp"))
        ):
            yield f"{node.lineno}: names a folder that all users share"
        elif isinstance(node, ast.Call):
            yield from (f"{node.lineno}: {what}" for what in faults_of_call(node))


def faults_of_call(node: ast.Call) -> Iterator[str]:
    name, last = dotted(node.func), dotted(node.func).rpartition(".")[2]
    words = {word.arg: value_of(word.value) for word in node.keywords if word.arg is not None}
    if name in BUILTINS:
        yield f"calls {name}"
    if name in SHELLS or name in YAML or name in PREDICTABLE or last in FETCHING:
        yield f"calls {name}"
    if words.get("shell", False) is not False:
        yield f"{name} has a shell"
    if words.get("allow_pickle", False) is not False:
        yield f"{name} unpickles"
    if name in MUST_SAY and words.get(MUST_SAY[name][0], "nothing") is not MUST_SAY[name][1]:
        yield f"{name} does not say {MUST_SAY[name][0]}={MUST_SAY[name][1]}"
    if words.get("encoder_weights") is not None or words.get("pretrained", False) is not False:
        yield f"{name} fetches weights"


def test_no_data_becomes_code() -> None:
    assert len(SOURCES) > 250
    found = [f"{module.relative_to(ROOT)}:{fault}" for module in SOURCES for fault in faults(module.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import urllib.request",
        "def f():\n    from http import client",
        "from torch import hub",
        "torch.hub.load('a', 'b')",
        "eval('1')",
        "exec(text)",
        "compile(text, '', 'exec')",
        "__import__('os')",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=maybe)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=maybe)",
        "from torch import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "read(path, allow_pickle=True)",
        "np.save(path, array)",
        "yaml.load(text)",
        "UNet2DModel.from_pretrained('x')",
        "smp.Unet('resnet34', encoder_weights='imagenet')",
        "tempfile.mktemp()",
        "open('/tmp/scan.nii')",
    ],
)
def test_what_must_not_stand_there_is_found(source: str) -> None:
    assert list(faults(source))


def test_what_may_stand_there_is_not_found() -> None:
    source = """
import subprocess
from torch.nn import functional
network.eval()
dialog.exec()
re.compile("a")
torch.load(path, weights_only=True)
np.load(path, allow_pickle=False)
subprocess.run([sys.executable], check=False)
smp.Unet("resnet34", encoder_weights=None)
"""
    assert list(faults(source)) == []
