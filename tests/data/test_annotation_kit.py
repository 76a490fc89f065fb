"""The annotation kit: what is exported, what is taken back, what is refused, and how the simulated observer draws."""

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labeldropout.case import Case
from labeldropout.data.annotation_kit import export_kit, import_kit
from labeldropout.data.case_store import CaseStore, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.data.observe import draw_bias, draw_displacement, observe, redraw
from labeldropout.data.parts import PATIENTS
from labeldropout.files import write_table
from labeldropout.heart import Structure
from labeldropout.labels import Instant, State, View

SHAPE = (112, 96)
N_PATIENTS = 12


def heart(shift: int) -> np.ndarray:
    """Label map with all structures: cavity, wall around all but its base, atrium below; lopsided."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x = x - 45 - shift
    cavity = ((x / 13) ** 2 + ((y - 45) / 28) ** 2 < 1) & (y < 62)
    wall = ((x / 19) ** 2 + ((y - 45) / 34) ** 2 < 1) & (y < 62)
    atrium = ((x - 2) / 14) ** 2 + ((y - 78) / 16) ** 2 < 1
    return np.select([cavity, wall, atrium], [Structure.LV, Structure.LVM, Structure.LA], 0).astype(np.uint8)


@dataclass
class Kit:
    """A store as the importer leaves it, its truth, and the folders of a kit."""

    root: Path
    store: CaseStore
    truth: CaseStore

    @property
    def split(self) -> Path:
        """Table of patients and parts."""
        return self.root / "patients.csv"

    @property
    def kit(self) -> Path:
        """Folder of the kit."""
        return self.root / "kit"

    @property
    def drawn(self) -> Path:
        """Folder of the drawn masks."""
        return self.root / "drawn"

    @property
    def output(self) -> Path:
        """Store of the observed cases."""
        return self.root / "observed"

    def export(self, n: int = 4, seed: int = 3, folder: str = "kit") -> list[str]:
        """Export; the cases of the kit."""
        export_kit(self.store, self.split, n, seed, self.root / folder)
        return pd.read_csv(self.root / folder / "kit.csv")["case"].tolist()

    def take(self) -> CaseStore:
        """Import the drawn masks."""
        import_kit(self.store, self.kit, self.drawn, self.output)
        return CaseStore(self.output)


def cases(all_labelled: bool, spacing: tuple[float, float] | None) -> Iterator[Case]:
    """Two cases per patient; with all structures, or with the ventricle alone."""
    rng = np.random.default_rng(0)
    for patient in range(N_PATIENTS):
        for frame, instant in enumerate((Instant.ED, Instant.ES)):
            target = heart(patient % 5)
            state = State.LABELLED if all_labelled else State.UNKNOWN
            yield Case(
                dataset="echonet",
                group_name=f"video {patient}",
                frame=frame,
                image=rng.integers(0, 256, SHAPE).astype(np.uint8),
                target=target if all_labelled else np.where(target == 1, target, 0).astype(np.uint8),
                states={Structure.LV: State.LABELLED, Structure.LVM: state, Structure.LA: state},
                pixel_spacing_mm=spacing,
                view=View.A4C,
                instant=instant,
                source=f"Videos/{patient}.avi",
                source_sha256="0" * 64,
            )


@pytest.fixture(params=[None, (0.5, 0.8)], ids=["pixels", "mm"])
def made(tmp_path, request):
    """Stores of 24 cases, the truth with a spacing of its own; every second patient is for testing."""
    for name, all_labelled in (("cases", False), ("truth", True)):
        spacing = (1.5, 1.5) if all_labelled else request.param
        write_cases(cases(all_labelled, spacing), tmp_path / name, ImportReport("echonet"))
    made = Kit(tmp_path, CaseStore(tmp_path / "cases"), CaseStore(tmp_path / "truth"))
    patients = made.store.table[["dataset", "patient"]].drop_duplicates()
    parts = ["training", "test"] * (N_PATIENTS // 2)
    write_table(patients.assign(part=parts), made.split, PATIENTS)
    return made


def drawn(made: Kit) -> list[str]:
    """Export and observe; the cases."""
    names = made.export()
    observe(made.kit, made.truth, 5, made.drawn)
    return names


def draw(made: Kit, case: str, mask: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Replace one drawn mask."""
    path = made.drawn / f"{case}.nii.gz"
    affine = nibabel.load(made.kit / "masks" / path.name).affine if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(mask.T[..., None], affine), path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_kit_holds_test_images_only(made):
    """As many as asked for, none of another part, in the order of their names."""
    names = made.export(4)
    test = set(pd.read_csv(made.split).query("part == 'test'")["patient"])
    patient = made.store.table.set_index("case")["patient"]
    assert len(names) == 4
    assert names == sorted(names)
    assert {patient[name] for name in names} <= test


def test_the_kit_is_as_large_as_the_test_set_allows(made):
    """Asking for more images than there are gives all of them."""
    assert len(made.export(1000)) == N_PATIENTS


def test_the_seed_chooses_the_images(made):
    """The same seed gives the same bytes, another one other images."""
    first, again, other = (made.export(4, seed, folder) for seed, folder in ((3, "a"), (3, "b"), (4, "c")))
    assert first == again != other
    assert files(made.root / "a") == files(made.root / "b")


def test_a_viewer_sees_image_and_ventricle_upright(made):
    """Columns are x and rows y; the start mask holds the ventricle and nothing else."""
    for name in made.export():
        row = made.store.table["case"].tolist().index(name)
        image = nibabel.load(made.kit / "images" / f"{name}.nii.gz")
        mask = nibabel.load(made.kit / "masks" / f"{name}.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj)[..., 0].T, made.store.image(row))
        np.testing.assert_array_equal(np.asarray(mask.dataobj)[..., 0].T, made.store.target(row) == 1)
        spacing = made.store.spacing_mm(row) or (1.0, 1.0)
        assert image.header.get_zooms()[:2] == pytest.approx(spacing[::-1])
        np.testing.assert_array_equal(image.affine, mask.affine)


def test_the_kit_explains_itself(made):
    """Labels for ITK-SNAP, and what to draw."""
    made.export()
    labels = (made.kit / "labels.txt").read_text()
    assert [line.split()[0] for line in labels.splitlines()] == ["0", "1", "2", "3"]
    assert '"LVM"' in labels
    assert "annotation-kit import" in (made.kit / "README.txt").read_text()


def test_a_split_without_test_images_is_refused(made):
    """Nothing to draw is an error that names the store."""
    table = pd.read_csv(made.split).assign(part="training")
    write_table(table, made.split, PATIENTS)
    with pytest.raises(ValueError, match=r"cases: no test case"):
        made.export()


def test_drawn_masks_become_cases(made):
    """Myocardium and atrium are labelled as drawn, the ventricle is the data set's own, all else is as it was."""
    names = drawn(made)
    # An observer who changed the ventricle: it does not count, and the wall drawn over it does not either.
    mask = heart(0)
    mask[40:44, 40:44] = Structure.LVM
    draw(made, names[0], mask)
    observed = made.take()
    assert observed.table["case"].tolist() == names
    rows = made.store.table.set_index("case").index.get_indexer(names)
    for index, row in enumerate(rows):
        own = made.store.target(int(row)) == Structure.LV
        np.testing.assert_array_equal(observed.target(index) == Structure.LV, own)
        np.testing.assert_array_equal(observed.image(index), made.store.image(int(row)))
        assert set(observed.states(index).values()) == {State.LABELLED}
        assert observed.spacing_mm(index) == made.store.spacing_mm(int(row))
    own = made.store.target(int(rows[0])) == Structure.LV
    np.testing.assert_array_equal(observed.target(0)[~own], np.where(mask == Structure.LV, 0, mask)[~own])
    assert "the left ventricle was changed" in (made.output / "report.json").read_text()


def test_png_masks_are_read_too(made):
    """An 8-bit picture with the values 0 to 3 gives the same case as the volume."""
    names = drawn(made)
    before = made.take().target(0).copy()
    path = made.drawn / f"{names[0]}.nii.gz"
    mask = np.asarray(nibabel.load(path).dataobj)[..., 0].T
    path.unlink()
    Image.fromarray(mask).save(made.drawn / f"{names[0]}.png")
    np.testing.assert_array_equal(made.take().target(0), before)


def test_a_structure_that_was_not_drawn_is_remarked(made):
    """An image without an atrium is possible; the report says so."""
    names = drawn(made)
    mask = heart(0)
    mask[mask == Structure.LA] = 0
    draw(made, names[0], mask)
    made.take()
    assert f"{names[0]}: no LA was drawn" in (made.output / "report.json").read_text()


def header(made: Kit, case: str, dim: tuple[int, int]) -> None:
    """Let a mask declare another size than it has."""
    path = made.drawn / f"{case}.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[42:46] = np.array(dim, "<i2").tobytes()
    path.write_bytes(gzip.compress(content))


def png(made: Kit, case: str, image: Image.Image) -> None:
    """Replace a mask by a picture."""
    (made.drawn / f"{case}.nii.gz").unlink()
    image.save(made.drawn / f"{case}.png")


def path_of(made: Kit, case: str) -> Path:
    """Path of a drawn mask."""
    return made.drawn / f"{case}.nii.gz"


def cut(path: Path, n_bytes: int) -> None:
    """Truncate a file."""
    path.write_bytes(path.read_bytes()[:n_bytes])


def moved(made: Kit, case: str, change: list) -> None:
    """Change the affine of a mask; in units of its pixels."""
    affine = nibabel.load(path_of(made, case)).affine
    draw(made, case, heart(0), affine + np.array(change) * affine[0, 0])


def disagree(made: Kit, case: str) -> None:
    """Let the two affines of a header differ by half a pixel, as some programs leave them."""
    image = nibabel.load(path_of(made, case))
    other = image.affine.copy()
    other[0, 3] = 0.5 * other[0, 0]
    image.set_sform(image.affine, 2)
    image.set_qform(other, 1)
    nibabel.save(image, path_of(made, case))


_GEOMETRY = r"nii\.gz: not in the image's orientation and place .*without shift, rotation or resampling"


BAD_MASKS = {
    "wrong shape": (lambda m, c: draw(m, c, heart(0)[:-1]), r"nii\.gz: wrong shape .*96, 112, 1.*96, 111, 1"),
    "transposed": (lambda m, c: draw(m, c, heart(0).T.copy()), r"nii\.gz: wrong shape"),
    "unknown label": (lambda m, c: draw(m, c, heart(0) * 2), r"nii\.gz: unknown label .*0, 1, 2 or 3.*\[4, 6\]"),
    "negative label": (lambda m, c: draw(m, c, -heart(0).astype(np.int16)), r"nii\.gz: unknown label .*-3"),
    "half label": (lambda m, c: draw(m, c, heart(0) * np.float32(0.5)), r"nii\.gz: unknown label .*0\.5"),
    "NaN": (lambda m, c: draw(m, c, np.full(SHAPE, np.nan, np.float32)), r"nii\.gz: unknown label .*nan"),
    "flipped": (
        lambda m, c: draw(m, c, heart(0), nibabel.load(path_of(m, c)).affine * np.diag([-1, 1, 1, 1])),
        r"nii\.gz: not in the image's orientation and place",
    ),
    "nothing drawn": (
        lambda m, c: shutil.copy(m.kit / "masks" / f"{c}.nii.gz", m.drawn),
        r"nii\.gz: nothing drawn .*LVM and LA",
    ),
    "empty file": (lambda m, c: path_of(m, c).write_bytes(b""), r"nii\.gz: not a NIfTI file"),
    "text": (lambda m, c: path_of(m, c).write_text("hello"), r"nii\.gz: damaged or truncated"),
    "truncated early": (lambda m, c: cut(path_of(m, c), 30), r"nii\.gz: damaged or truncated"),
    "truncated late": (
        lambda m, c: cut(path_of(m, c), path_of(m, c).stat().st_size - 40),
        r"nii\.gz: damaged or truncated",
    ),
    "wrong check sum": (
        lambda m, c: path_of(m, c).write_bytes(path_of(m, c).read_bytes()[:-8] + bytes(8)),
        r"nii\.gz: damaged or truncated",
    ),
    "floats from 0 to 1": (
        lambda m, c: draw(m, c, heart(0) / np.float32(3)),
        r"nii\.gz: unknown label .*found \[0\.33.*scaled to 1: save them as whole numbers",
    ),
    "shades of grey": (
        lambda m, c: png(m, c, Image.fromarray(heart(0) * 85)),
        r"png: unknown label .*found \[85, 170, 255\]\). Save the numbers of the labels",
    ),
    "half a pixel aside": (lambda m, c: moved(m, c, [[0, 0, 0, 0.5], [0] * 4, [0] * 4, [0] * 4]), _GEOMETRY),
    "rotated by a degree": (
        lambda m, c: moved(m, c, [[0, 0.017, 0, 0], [-0.017, 0, 0, 0], [0] * 4, [0] * 4]),
        _GEOMETRY,
    ),
    "two affines that disagree": (disagree, _GEOMETRY),
    "huge declared size": (lambda m, c: header(m, c, (32000, 32000)), r"nii\.gz: wrong shape .*32000, 32000"),
    "negative declared size": (lambda m, c: header(m, c, (-5, 7)), r"nii\.gz: "),
    "png of another size": (
        lambda m, c: png(m, c, Image.fromarray(heart(0)[:-1])),
        r"png: wrong picture .*96 x 112 pixels, found 96 x 111",
    ),
    "png in colour": (
        lambda m, c: png(m, c, Image.new("RGB", SHAPE[::-1], (1, 2, 3))),
        r"png: not a label map .*mode RGB",
    ),
    "huge png": (lambda m, c: png(m, c, Image.new("L", (6000, 6000))), r"png: wrong picture .*6000 x 6000"),
    "missing mask": (lambda m, c: path_of(m, c).unlink(), r"drawn: masks do not fit the kit .*missing: echonet-"),
    "mask of no case": (
        lambda m, c: shutil.copy(path_of(m, c), m.drawn / "other.nii.gz"),
        r"drawn: masks do not fit the kit .*extra: other\.nii\.gz",
    ),
    "two masks of a case": (
        lambda m, c: Image.fromarray(heart(0)).save(m.drawn / f"{c}.png"),
        r"drawn: masks do not fit the kit .*extra: echonet-.*png",
    ),
    "another file": (lambda m, c: (m.drawn / f"{c}.mha").write_text(""), r"drawn: masks do not fit .*extra: .*mha"),
}


@pytest.mark.parametrize(("change", "message"), BAD_MASKS.values(), ids=BAD_MASKS.keys())
def test_a_bad_mask_is_one_clear_error(made, change, message):
    """The error names the file, what was expected and what was found; no store is left."""
    names = drawn(made)
    change(made, names[1])
    with pytest.raises(ValueError, match=message) as caught:
        made.take()
    assert "expected" in str(caught.value)
    assert not (made.output / "cases.csv").exists()


RENUMBERED = {
    "wall 1, atrium 2": ({2: 1, 3: 2}, "label 1 is elsewhere"),
    "wall and atrium exchanged": ({1: 1, 2: 3, 3: 2}, "label 3 surrounds the ventricle"),
    "atrium 1": ({3: 1}, "nothing drawn|label 1 is elsewhere"),
    "atrium 2, nothing else": ({1: 1, 3: 2}, "label 2 does not surround"),
    "wall 3, nothing else": ({1: 1, 2: 3}, "label 3 surrounds the ventricle"),
    "all moved on": ({1: 2, 2: 3, 3: 1}, "label 1 is elsewhere"),
}


@pytest.mark.parametrize(("new", "message"), RENUMBERED.values(), ids=RENUMBERED.keys())
def test_masks_with_other_numbers_than_the_kit_s_are_refused(made, new, message):
    """Otherwise every atrium would count as myocardium; the message says what may have happened."""
    for name in drawn(made):
        old = np.asarray(nibabel.load(path_of(made, name)).dataobj)[..., 0].T
        values = np.zeros_like(old)
        for before, after in new.items():
            values[old == before] = after
        draw(made, name, values)
    with pytest.raises(ValueError, match=rf"nii\.gz: ({message})") as caught:
        made.take()
    assert "Were the labels renumbered" in str(caught.value) or "nothing drawn" in str(caught.value)


@pytest.mark.parametrize(
    "turn", [np.fliplr, np.flipud, lambda mask: np.rot90(mask, 2)], ids=["left", "up", "half turn"]
)
def test_a_picture_turned_on_its_way_is_refused(made, turn):
    """A PNG has no header that would say so; the kit's own ventricle does."""
    name = drawn(made)[0]
    png(
        made,
        name,
        Image.fromarray(np.ascontiguousarray(turn(np.asarray(nibabel.load(path_of(made, name)).dataobj)[..., 0].T))),
    )
    with pytest.raises(ValueError, match=r"png: label 1 is elsewhere .*if mirrored.*the picture turned"):
        made.take()


def test_a_ventricle_that_was_removed_or_changed_a_little_is_no_reason_to_refuse(made):
    """Wall and atrium are still in their places."""
    first, second = drawn(made)[:2]
    mask = np.asarray(nibabel.load(path_of(made, first)).dataobj)[..., 0].T.copy()
    before = made.take().target(0).copy()
    mask[mask == Structure.LV] = 0
    draw(made, first, mask)
    mask = np.asarray(nibabel.load(path_of(made, second)).dataobj)[..., 0].T.copy()
    mask[:40][mask[:40] == Structure.LV] = 0
    draw(made, second, mask)
    np.testing.assert_array_equal(made.take().target(0), before)


def test_a_broken_png_is_one_clear_error(made):
    """A picture cut short is refused like a volume cut short."""
    names = drawn(made)
    png(made, names[0], Image.fromarray(heart(0)))
    content = (made.drawn / f"{names[0]}.png").read_bytes()
    for n_bytes in (0, 20, 60, len(content) - 60):
        (made.drawn / f"{names[0]}.png").write_bytes(content[:n_bytes])
        with pytest.raises(ValueError, match=r"png: (not a picture|a damaged file|cannot be decoded)"):
            made.take()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("case", "../../x", r"masks do not fit the kit .*missing: \.\./\.\./x|unknown case"),
        ("image_sha256", "0" * 64, "another image"),
    ],
)
def test_a_kit_of_other_images_is_refused(made, column, value, message):
    """The list of the kit must fit the store that it was made from."""
    drawn(made)
    table = pd.read_csv(made.kit / "kit.csv")
    table.loc[0, column] = value
    table.to_csv(made.kit / "kit.csv", index=False)
    with pytest.raises(ValueError, match=message):
        made.take()


def test_a_kit_that_lists_a_case_twice_is_refused(made):
    """One mask per case."""
    drawn(made)
    table = pd.read_csv(made.kit / "kit.csv")
    pd.concat([table, table[:1]]).to_csv(made.kit / "kit.csv", index=False)
    with pytest.raises(ValueError, match=r"kit\.csv: duplicate case"):
        made.take()


def test_a_missing_folder_of_masks_is_named(made):
    """Before anything is drawn, the import says which folder it looked for."""
    made.export()
    with pytest.raises(ValueError, match=r"drawn: no folder of drawn masks"):
        made.take()


def test_the_observer_draws_as_a_trained_reader(made):
    """Near the truth and not on it: Dice between 0.75 and 1 for the thin wall, 0.88 and 1 for the atrium."""
    names = drawn(made)
    observed = made.take()
    truth_row = made.truth.table["case"].tolist().index
    for structure, low in ((Structure.LVM, 0.75), (Structure.LA, 0.88)):
        dice = []
        for index, name in enumerate(names):
            mask, truth = observed.target(index) == structure, made.truth.target(truth_row(name)) == structure
            dice.append(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
        assert min(dice) > low
        assert max(dice) < 1
        assert len(set(dice)) > 1


def test_the_observer_depends_on_seed_and_image_alone(made):
    """The same seed gives the same bytes, also in a larger kit; another seed gives another drawing."""
    small = made.export(3, folder="small")
    made.export(12, folder="large")
    for kit, seed, folder in (("small", 5, "a"), ("large", 5, "b"), ("small", 6, "c")):
        observe(made.root / kit, made.truth, seed, made.root / folder)
    for name in small:
        one, same, other = ((made.root / folder / f"{name}.nii.gz").read_bytes() for folder in "abc")
        assert one == same
        assert one != other


def test_two_images_of_the_same_heart_are_drawn_differently(made):
    """Every image has random numbers of its own: here ED and ES of a patient have the same truth."""
    made.export(N_PATIENTS)
    observe(made.kit, made.truth, 5, made.drawn)
    masks = [path.read_bytes() for path in sorted(made.drawn.glob("*.nii.gz"))]
    assert len(set(masks)) == len(masks)


def test_a_case_without_truth_cannot_be_observed(made):
    """The simulated observer needs to know the heart."""
    made.export()
    table = pd.read_csv(made.kit / "kit.csv")
    table.loc[0, "case"] = "../../x"
    table.to_csv(made.kit / "kit.csv", index=False)
    with pytest.raises(ValueError, match=r"truth: no truth for \.\./\.\./x"):
        observe(made.kit, made.truth, 5, made.drawn)


def test_without_displacement_and_bias_the_truth_is_drawn():
    """What the observer changes comes from displacement and bias alone."""
    truth = heart(0)
    still, none = np.zeros((2, *SHAPE)), {Structure.LVM: 0.0, Structure.LA: 0.0}
    np.testing.assert_array_equal(redraw(truth, truth == Structure.LV, still, none), truth)


@pytest.mark.parametrize("structure", [Structure.LVM, Structure.LA])
def test_bias_makes_a_structure_larger_or_smaller(structure):
    """A positive bias adds to the outer border, a negative one takes away; the ventricle stays."""
    truth = heart(0)
    areas = []
    for value in (-1.2, 0.0, 1.2):
        bias = {Structure.LVM: 0.0, Structure.LA: 0.0, structure: value}
        drawn_map = redraw(truth, truth == Structure.LV, np.zeros((2, *SHAPE)), bias)
        areas.append(int((drawn_map == structure).sum()))
        np.testing.assert_array_equal(drawn_map == Structure.LV, truth == Structure.LV)
    assert areas == sorted(set(areas))


def test_no_gap_is_left_between_the_given_ventricle_and_the_wall():
    """Where the moved cavity reaches beyond the given one, the wall closes in."""
    truth = heart(0)
    smaller = (truth == Structure.LV) & (np.roll(truth == Structure.LV, -3, axis=1))
    drawn_map = redraw(truth, smaller, np.zeros((2, *SHAPE)), {Structure.LVM: 0.0, Structure.LA: 0.0})
    assert (drawn_map[20:60][truth[20:60] == Structure.LV] != Structure.BACKGROUND).all()


def test_displacement_and_bias_have_the_size_of_a_readers_scatter():
    """About one pixel on a side of 112, smooth, and in proportion on larger pictures."""
    rng = np.random.default_rng(0)
    small, large = draw_displacement((112, 112), rng), draw_displacement((224, 224), rng)
    assert small.std() == pytest.approx(1.2, rel=0.05)
    assert large.std() == pytest.approx(2.4, rel=0.05)
    assert np.abs(np.diff(small, axis=1)).max() < 1
    assert set(draw_bias((112, 112), rng)) == {Structure.LVM, Structure.LA}
