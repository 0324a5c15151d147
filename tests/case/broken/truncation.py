"""Files that end early, at every kind of place."""

from __future__ import annotations

from tests.case.broken.broken import Broken, edited, in_turn, nifti, packed, with_file

_CUT = "the file is cut short"
_EXTENSION = b"\x50\0\0\0\6\0\0\0" + b"a remark of the scanner".ljust(72, b"\0")  # 80 bytes, code 6: a comment
_PLACES = {
    "in the header": (*range(4, 348, 11), 347),
    "at the header's end": (348, 349, 351, 352),
    "in the extension": (*range(353, 432, 7),),
    "in the voxels": (432, 433, *range(440, 851, 23), 851),
}
_WHOLE = 352 + 80 + 420


def _plain() -> list[Broken]:
    cases = []
    for place, lengths in _PLACES.items():
        for number, length in enumerate(lengths):
            kind = in_turn(number)
            cut = with_file(kind, lambda kind=kind, n=length: nifti(kind, extension=_EXTENSION)[:n], ".nii")
            cases.append(Broken(f"nii cut {place} at {length}", cut, refused=f"_{kind}.nii: {_CUT}"))
    return cases


def _inside_compressed() -> list[Broken]:
    """The stream is whole, what it holds is not: packed after the copy had failed."""
    cases = []
    for place, lengths in _PLACES.items():
        for number, length in enumerate(lengths[::2]):
            kind = in_turn(number + 1)
            cut = with_file(kind, lambda kind=kind, n=length: packed(nifti(kind, extension=_EXTENSION)[:n]))
            cases.append(Broken(f"packed after it was cut {place} at {length}", cut, refused=f"_{kind}.nii.gz: {_CUT}"))
    return cases


def _compressed() -> list[Broken]:
    cases = []
    for number, share in enumerate(range(2, 100, 4)):
        kind = in_turn(number)

        def cut(kind: str = kind, share: int = share) -> bytes:
            whole = packed(nifti(kind, extension=_EXTENSION))
            return whole[: max(12, len(whole) * share // 100)]

        cases.append(Broken(f"nii.gz cut at {share} per cent", with_file(kind, cut), refused=f"_{kind}.nii.gz: {_CUT}"))
    for missing in range(1, 9):
        kind = in_turn(missing)
        write = with_file(kind, lambda kind=kind, n=missing: packed(nifti(kind))[:-n])
        cases.append(Broken(f"nii.gz cut {missing} before its end", write, refused=f"_{kind}.nii.gz: {_CUT}"))
    for length in (2, 3, 5, 9, 10, 11):
        kind = in_turn(length)
        write = with_file(kind, lambda kind=kind, n=length: packed(nifti(kind))[:n])
        cases.append(Broken(f"nii.gz cut in its own header at {length}", write, refused=f"_{kind}.nii.gz: {_CUT}"))
    return cases


CASES = [
    *_plain(),
    *_inside_compressed(),
    *_compressed(),
    *(Broken(f"empty {kind}", with_file(kind, bytes), refused="the file is empty") for kind in ("t1", "t2", "seg")),
    Broken("one byte", with_file("t1ce", lambda: b"\x5c", ".nii"), refused="not a NIfTI file"),
    Broken("nothing is cut", edited("t2", ".nii", extension=_EXTENSION)),
]

assert len(nifti("t1", extension=_EXTENSION)) == _WHOLE
