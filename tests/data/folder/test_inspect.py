"""A proposal for a folder of which nothing is known, and that it can be used."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from folder_pictures import cell, write_laboratories
from PIL import Image

from labeldropout.configuration import read_configuration
from labeldropout.data.case_store import CaseStore
from labeldropout.data.folder.inspect import inspect
from labeldropout.data.folder.look_through import look_through
from labeldropout.data.import_dataset import import_dataset

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def laboratories(tmp_path: Path) -> Path:
    """A folder with two laboratories and their traps."""
    write_laboratories(tmp_path / "pictures")
    return tmp_path / "pictures"


def test_a_proposal_can_be_imported_as_it_is(laboratories, tmp_path):
    """Patterns, values, colour and stray values of both laboratories are found, and the importer takes them."""
    files = inspect(laboratories, tmp_path / "mine.yaml")
    assert [path.name for path in files] == ["mine.yaml", "mine_dataset_1.png", "mine_dataset_2.png"]
    assert all(np.asarray(Image.open(path)).shape[1] > 700 for path in files[1:])
    text = files[0].read_text()
    assert len(text.splitlines()) <= 36
    proposed = yaml.safe_load(text)
    names = [structure["name"] for structure in proposed["structures"]]
    assert names == ["structure_128", "structure_255"]
    assert proposed["split"]["source"] == {"dataset_1": "random", "dataset_2": "random"}
    assert read_configuration(files[0], ROOT)["study"] == "mine"  # every key is known
    assert "4 pixels of 1 masks have other values: 63, 64, 191, 192" in text
    for (name, settings), n_images in zip(proposed["datasets"].items(), (12, 10), strict=True):
        n = import_dataset(name, laboratories, tmp_path / name, settings["options"], form=settings["format"])
        assert n == n_images
        store = CaseStore(tmp_path / name)
        assert store.pixels.channels == 3
        assert [structure.name for structure in store.pixels.structures] == names


def test_what_is_nowhere_drawn_is_proposed_as_not_annotated(laboratories, tmp_path):
    """A structure of one laboratory that the other never has is left out of what is annotated there."""
    for path in (laboratories / "Dataset 2").glob("*.png"):
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.where(mask == 255, 255, 0).astype(np.uint8)).save(path)
    inspect(laboratories, tmp_path / "mine.yaml")
    second = yaml.safe_load((tmp_path / "mine.yaml").read_text())["datasets"]["dataset_2"]["options"]
    assert second["annotated"] == ["structure_255"]
    import_dataset("second", laboratories, tmp_path / "second", second, form="folder")
    assert set(CaseStore(tmp_path / "second").table["structure_128"]) == {"unknown"}


def test_patients_folders_and_problems_are_proposed_as_such(tmp_path):
    """Many folders become groups; a mask that does not fit and one that is missing are listed."""
    rng = np.random.default_rng(0)
    for patient in range(7):
        folder = tmp_path / "heart" / f"p{patient}"
        folder.mkdir(parents=True)
        for name in ("ed", "es"):
            picture, mask = cell(rng, 40, 50, (120, 120, 120))
            Image.fromarray(picture[..., 0]).save(folder / f"{name}.png")
            Image.fromarray(mask).save(folder / f"{name}_gt.png")
    (tmp_path / "heart/p1/ed_gt.png").unlink()
    Image.new("L", (3, 4)).save(tmp_path / "heart/p2/ed_gt.png")
    inspect(tmp_path / "heart", tmp_path / "mine.yaml")
    text = (tmp_path / "mine.yaml").read_text()
    options = yaml.safe_load(text)["datasets"]["heart"]["options"]
    assert (options["images"], options["masks"]) == ("{group}/{name}.png", "{group}/{name}_gt.png")
    assert options["group"] == "group"
    assert "colour" not in options
    assert "1 pictures have no mask (first: p1/ed)" in text
    assert "p2/ed_gt.png: mask and image differ in size" in text


def test_your_corrections_are_not_overwritten(laboratories, tmp_path):
    """A file that is there may have been corrected by hand."""
    (tmp_path / "mine.yaml").write_text("mine")
    with pytest.raises(ValueError, match=r"mine\.yaml: there already"):
        inspect(laboratories, tmp_path / "mine.yaml")
    assert (tmp_path / "mine.yaml").read_text() == "mine"


def test_a_folder_without_pairs_says_what_is_there(tmp_path):
    """No folder, no pictures, and pictures without masks are three messages."""
    with pytest.raises(ValueError, match="nowhere: nothing there"):
        look_through(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no three pictures of one kind \(\.png, .* among 0 files"):
        look_through(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    with pytest.raises(
        ValueError, match=r"no pictures with masks of the same names \(found \{name\}\.png: 4 pictures\)"
    ):
        look_through(tmp_path)
    for number in range(4):
        Image.fromarray(rng.random((20, 20), np.float32)).save(tmp_path / f"{number}.tif")
    with pytest.raises(
        ValueError, match=r"4 unreadable files.*As a picture, .*0\.tif: no agreed display.* As a mask, "
    ):
        look_through(tmp_path)


def test_names_of_folders_become_names_that_a_study_may_have(tmp_path):
    """Accents are left out, a name of the paper's data sets is not taken, and linked folders are entered."""
    rng = np.random.default_rng(0)
    for place in ("Müller", "unity"):
        for kind in ("images", "masks"):
            (tmp_path / "elsewhere" / place / kind).mkdir(parents=True)
        for number in range(4):
            for kind, values in zip(("images", "masks"), cell(rng, 30, 40, (90, 90, 90)), strict=True):
                Image.fromarray(values).save(tmp_path / "elsewhere" / place / kind / f"{number}.png")
    (tmp_path / "linked").mkdir()
    for place in ("Müller", "unity"):
        (tmp_path / "linked" / place).symlink_to(tmp_path / "elsewhere" / place)
    inspect(tmp_path / "linked", tmp_path / "mine.yaml")
    proposed = read_configuration(tmp_path / "mine.yaml", ROOT)["datasets"]
    assert {"muller", "set_unity"} <= set(proposed)
    assert proposed["muller"]["options"]["images"] == "Müller/images/{name}.png"


def test_masks_without_a_structure_are_no_proposal(tmp_path):
    """One value in all masks leaves nothing to name, and no file is written."""
    write_laboratories(tmp_path / "pictures")
    for path in (tmp_path / "pictures").rglob("*.png"):
        Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    with pytest.raises(ValueError, match="one value in all masks"):
        inspect(tmp_path / "pictures", tmp_path / "mine.yaml")
    assert not (tmp_path / "mine.yaml").exists()


def test_a_small_organ_in_many_masks_is_proposed_as_a_structure(tmp_path):
    """Two pixels of 40 x 50 in every mask are an adrenal gland; in a single mask they would be stray."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "slices"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(6):
        picture, mask = cell(rng, 40, 50, (120, 120, 120))
        mask[0, :2] = 7
        mask[1, :2] = 9 if number == 0 else mask[1, :2]
        Image.fromarray(picture[..., 0]).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    inspect(folder, tmp_path / "mine.yaml")
    text = (tmp_path / "mine.yaml").read_text()
    assert "structure_7" in [structure["name"] for structure in yaml.safe_load(text)["structures"]]
    assert "2 pixels of 1 masks have other values: 9" in text
