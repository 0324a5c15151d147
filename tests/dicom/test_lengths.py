from __future__ import annotations

import io
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
)

from napari_ddmd.dicom.lengths import lengths_fit
from tests.dicom.studies import StudyWriter, flat


@pytest.fixture
def file(writer: StudyWriter) -> Path:
    return writer.series(flat()) / "IM0003"


def nested(syntax: str, *, undefined: bool) -> Dataset:
    """An image with a sequence in a sequence."""
    dataset, outer, inner = Dataset(), Dataset(), Dataset()
    inner.CodeMeaning = "x"
    outer.PurposeOfReferenceCodeSequence = Sequence([inner])
    outer["PurposeOfReferenceCodeSequence"].is_undefined_length = undefined
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, "1.2.3"
    dataset.SourceImageSequence = Sequence([outer, outer])
    dataset["SourceImageSequence"].is_undefined_length = undefined
    for item in (inner, outer):
        item.is_undefined_length_sequence_item = undefined
    dataset.PatientName = "y"
    dataset.PixelData = bytes(400)
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_what_is_whole_fits_and_what_is_cut_does_not(tmp_path: Path, syntax: UID, undefined: bool) -> None:
    file = tmp_path / "x.dcm"
    nested(syntax, undefined=undefined).save_as(file, enforce_file_format=True)
    assert lengths_fit(file)
    whole = file.read_bytes()
    for size in (len(whole) - 1, len(whole) - 300, whole.find(b"y "), whole.find(b"x ") + 1):
        file.write_bytes(whole[:size])
        assert not lengths_fit(file)


def test_compressed_images_and_sequences_of_unknown_type_fit(file: Path) -> None:
    dataset = dcmread(file)
    dataset.compress(RLELossless)
    dataset.save_as(file)
    assert lengths_fit(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    assert not lengths_fit(file)

    # Of a program that kept a private sequence as it came: without types inside.
    unknown = b"\x09\0\x10\0LO\x02\0x " + b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff"
    item = b"\xfe\xff\0\xe0\xff\xff\xff\xff" + b"\x08\0\0\1\x04\0\0\0abcd" + b"\xfe\xff\x0d\xe0\0\0\0\0"
    place = whole.find(b"\x10\0\x10\0PN")
    file.write_bytes(whole[:place] + unknown + item + b"\xfe\xff\xdd\xe0\0\0\0\0" + whole[place:])
    assert lengths_fit(file)


def test_what_scanners_and_archives_add_or_leave_out_fits(file: Path) -> None:
    plain = file.read_bytes()
    for rest in (b"\0", b"\0\0\0", bytes(9), bytes(514)):
        file.write_bytes(plain + rest)
        assert lengths_fit(file)
    dataset = dcmread(io.BytesIO(plain))
    dataset.compress(RLELossless)
    dataset.save_as(file)
    whole = file.read_bytes()
    assert whole.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
    for size in (len(whole) - 8, len(whole) - 4):
        file.write_bytes(whole[:size])
        assert lengths_fit(file)
    # A sequence of unknown type with types inside, as programs wrote it before that was forbidden.
    unknown = b"\x09\0\x10\0LO\x02\0x " + b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff"
    item = b"\xfe\xff\0\xe0\xff\xff\xff\xff" + b"\x08\0\0\x01SH\x04\0abcd" + b"\xfe\xff\x0d\xe0\0\0\0\0"
    place = plain.find(b"\x10\0\x10\0PN")
    file.write_bytes(plain[:place] + unknown + item + b"\xfe\xff\xdd\xe0\0\0\0\0" + plain[place:])
    assert lengths_fit(file)


@pytest.mark.fault("Bad input")
def test_a_length_that_lies_is_found_in_a_deflated_file_too(tmp_path: Path) -> None:
    file = tmp_path / "x.dcm"
    nested(DeflatedExplicitVRLittleEndian, undefined=False).save_as(file, enforce_file_format=True)
    assert lengths_fit(file)
    start = 144 + int.from_bytes(file.read_bytes()[140:144], "little")  # behind the file's own elements
    content = zlib.decompress(file.read_bytes()[start:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    lie = b"\x29\0\x10\x10UN\0\0\xff\xff\xff\x7f"
    file.write_bytes(file.read_bytes()[:start] + packer.compress(content + lie) + packer.flush())
    assert not lengths_fit(file)


_READ = """
import sys
from napari_ddmd.dicom import DicomError, find_study
from napari_ddmd.dicom.volume import read_volume
(series,) = find_study(sys.argv[1]).series
try:
    read_volume(series)
except DicomError as error:
    print(error)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.torture
@pytest.mark.fault("Bad input")
@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's peak where Linux tells it")
def test_no_memory_is_taken_for_a_length_that_lies(file: Path) -> None:
    """The fuzzer found a file of 881 bytes that took 3 GB."""
    lie = b"\x29\0\x10\x10" + b"\xb4" * 8  # GDCM takes what is no type for a part of the length
    content = file.read_bytes()
    before = content.find(b"\xe0\x7f\x10\0OW")
    file.write_bytes(content[:before] + lie + content[before:])
    done = subprocess.run(
        [sys.executable, "-c", _READ, file.parent], capture_output=True, text=True, check=True, timeout=100
    )
    refusal, kilobytes = done.stdout.splitlines()
    assert "its images cannot be read; copy the study again" in refusal
    assert int(kilobytes) * 1024 < 2 * 2**30
