"""What is fuzzed, one reader a module.

Each module has `LONGEST` (bytes of an input), ``seeds()`` (a few inputs to begin with, made by code), ``mutate(data,
random)`` (changes an input in its own terms) and ``run(data)``, which may raise nothing: errors that a reader documents
are checked to be one line, and everything else is a crash.
"""

TARGETS = {
    "nifti": ["napari_ddmd.case", "nibabel.nifti1", "nibabel.nifti2", "nibabel.analyze", "nibabel.arrayproxy"],
    "bundle": ["napari_ddmd.model"],
    "session": ["napari_ddmd.viewer.session", "napari_ddmd.case"],
    "autosave": ["napari_ddmd.viewer.autosave", "numpy.lib", "zipfile"],
    "dicom": ["napari_ddmd.dicom", "napari_ddmd.case", "pydicom.filereader", "pydicom.dataset", "pydicom.values"],
}
"""Each target with the packages whose branches guide the fuzzer."""
