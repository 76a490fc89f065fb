"""Reading image files strictly: real public files, and damage anywhere in a header."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from labeldropout.case import Case, DatasetError
from labeldropout.data.camus.writer import write_cases
from labeldropout.data.image_files import read_metaimage, read_nifti
from labeldropout.heart import FOREGROUND
from labeldropout.labels import Instant, State, View

REAL = Path(__file__).parents[3] / "shared" / "real"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real echo files are not here")
@pytest.mark.parametrize(("name", "shape"), [("a4c_single", (480, 560)), ("a4c_sequence", (20, 480, 560))])
def test_real_files_are_read_upright_and_scaled(name, shape):
    """The sector is narrow above and wide below; the slope of the file is applied, its affine is not."""
    stored = read_nifti(REAL / f"{name}.nii.gz", "real")
    assert stored.values.shape == shape
    assert stored.slope == pytest.approx(0.99608, abs=1e-5)
    assert stored.pixel_spacing_mm == (0.4, 0.4)
    mask = read_nifti(REAL / f"{name}_sector_mask.nii.gz", "real").values.reshape(-1, 480, 560)[0]
    assert mask[60].sum() < mask[300].sum() / 4
    image = nibabel.nifti1.load(REAL / f"{name}.nii.gz")
    np.testing.assert_allclose(stored.values, np.asarray(image.dataobj).T)


@pytest.fixture
def header_and_reader(tmp_path, request):
    """A small good file of each format: bytes of its header part, the rest, where to write it, and its reader."""
    release, name = {"nifti": ("nifti", "patient0001"), "metaimage": ("mhd", "training_patient0001")}[request.param]
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    case = Case("camus", name, 0, pixels, pixels % 4, dict.fromkeys(FOREGROUND, State.LABELLED), (0.2, 0.3), View.A2C,
                Instant.ED, "", "")  # fmt: skip
    write_cases([case], tmp_path, release)
    if release == "nifti":
        [path] = tmp_path.rglob("*_ED.nii.gz")
        content = gzip.decompress(path.read_bytes())
        return content[:352], content[352:], path.with_suffix(""), read_nifti
    [path] = tmp_path.rglob("*_ED.mhd")
    return path.read_bytes(), b"", path, read_metaimage


@pytest.mark.parametrize("header_and_reader", ["nifti", "metaimage"], indirect=True)
def test_no_damage_to_a_header_gives_anything_but_one_clear_error(header_and_reader):
    """Whatever bytes are changed, the file is either read or refused with a message that names it."""
    header, rest, path, reader = header_and_reader
    rng = np.random.default_rng(0)
    n_refused = 0
    for trial in range(600):
        damaged = bytearray(header)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        cut = rng.integers(len(damaged)) if trial % 10 == 0 else len(damaged)
        path.write_bytes(bytes(damaged[:cut]) + (rest if cut == len(damaged) else b""))
        try:
            reader(path, "camus")
        except DatasetError as error:
            n_refused += 1
            assert str(path.parent) in str(error)  # noqa: PT017 - which trials are refused is not the point
    assert n_refused > 100
