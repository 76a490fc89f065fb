"""The nnU-Net that finds the cone."""

import json

import numpy as np
import pytest
from PIL import Image

from labeldropout.cone import Cone, cone_mask, intersection_over_union

SETTINGS = {
    "images": 10,
    "grid_size": 32,
    "features": [4, 8, 8],
    "epochs": 1,
    "iterations": 6,
    "batch_size": 4,
    "masks": None,
}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A tiny network, trained twice."""
    from labeldropout.data.cone_network import train_cone_network

    folders = [tmp_path_factory.mktemp("network") for _ in range(2)]
    for folder in folders:
        np.random.random()  # noqa: NPY002 - the global generators stand elsewhere each time
        train_cone_network(SETTINGS, 5, "cpu", folder)
    return folders


@pytest.mark.slow
def test_training_twice_gives_the_same_network_and_cones(networks):
    """Same settings and seed: same bytes, and the same probabilities."""
    from labeldropout.data.cone_network import ConeNetwork

    for name in ("network.safetensors", "plans.json"):
        first, second = ((folder / name).read_bytes() for folder in networks)
        assert first == second, name
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8)
    found = [ConeNetwork(folder, "cpu").probabilities(images) for folder in networks]
    assert found[0].shape == (3, 2, 32, 32)
    assert np.allclose(found[0].sum(1), 1, atol=1e-3)
    assert np.array_equal(*found)


@pytest.mark.slow
def test_no_pickle_is_left(networks):
    """The output is two files, neither of which can run code when read."""
    for folder in networks:
        assert sorted(path.name for path in folder.iterdir()) == ["network.safetensors", "plans.json"]


@pytest.mark.slow
def test_plans_that_name_other_classes_are_refused(networks, tmp_path):
    """A plans file cannot make the program import a class of its choice."""
    from labeldropout.data.cone_network import ConeNetwork

    content = json.loads((networks[0] / "plans.json").read_text())
    architecture = content["plans"]["configurations"]["2d"]["architecture"]
    architecture["arch_kwargs"]["nonlin"] = "os.system"
    (tmp_path / "plans.json").write_text(json.dumps(content))
    (tmp_path / "network.safetensors").write_bytes((networks[0] / "network.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"plans.json: other network"):
        ConeNetwork(tmp_path, "cpu")


@pytest.mark.slow
def test_damaged_weights_are_named(networks, tmp_path):
    """A cut weights file is an error that names it."""
    from labeldropout.data.cone_network import ConeNetwork

    (tmp_path / "plans.json").write_bytes((networks[0] / "plans.json").read_bytes())
    (tmp_path / "network.safetensors").write_bytes((networks[0] / "network.safetensors").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"network.safetensors: not the weights"):
        ConeNetwork(tmp_path, "cpu")


@pytest.mark.slow
def test_a_clip_gets_one_mask_from_all_its_frames(networks):
    """Masks have the size of the frames, whatever the chunk in which they are predicted."""
    from labeldropout.data.cone_network import ConeNetwork

    network = ConeNetwork(networks[0], "cpu")
    rng = np.random.default_rng(1)
    clips = [
        (rng.integers(0, 255, (n_frames, *shape), dtype=np.uint8), aspect)
        for n_frames, shape, aspect in ((3, (40, 60), 1.0), (1, (90, 50), 0.5), (2, (64, 64), 1.0))
    ]
    masks = network.masks(clips)
    assert [mask.shape for mask in masks] == [(40, 60), (90, 50), (64, 64)]
    alone = network.masks(clips[1:2])[0]
    assert np.array_equal(masks[1], alone)


@pytest.mark.slow
def test_a_network_learns_cones_and_sends_them_through_the_store(tmp_path):
    """After a short training most cones of a store are found, checked and written; the user's own masks take part."""
    from labeldropout.case import Case
    from labeldropout.data.case_store import CaseStore, write_cases
    from labeldropout.data.cone_network import train_cone_network
    from labeldropout.data.import_report import ImportReport
    from labeldropout.data.segment_cone import segment_cones
    from labeldropout.files import read_table
    from labeldropout.heart import FOREGROUND
    from labeldropout.labels import Instant, State, View

    rng = np.random.default_rng(3)
    own = tmp_path / "own"
    own.mkdir()

    def acquisition():
        cone = Cone(float(rng.uniform(2, 8)), float(rng.uniform(44, 52)), float(rng.uniform(0.5, 0.65)), 0.0, 70.0)
        mask = cone_mask(cone, (80, 96))
        image = rng.integers(30, 255, (80, 96), dtype=np.uint8) * mask
        image[5:50, 1:4] = 255
        return image.astype(np.uint8), mask

    for index in range(30):
        image, mask = acquisition()
        Image.fromarray(image).save(own / f"{index:02d}.png")
        Image.fromarray((mask * 255).astype(np.uint8)).save(own / f"{index:02d}_mask.png")
    settings = {**SETTINGS, "grid_size": 64, "features": [8, 16, 16], "epochs": 2, "iterations": 25, "masks": str(own)}
    train_cone_network(settings, 1, "cpu", tmp_path / "network")
    truths, cases = [], []
    for index in range(6):
        image, mask = acquisition()
        truths.append(mask)
        cases.append(
            Case(
                dataset="unity",
                group_name=f"clip{index}",
                frame=0,
                image=image,
                target=np.zeros_like(image),
                states=dict.fromkeys(FOREGROUND, State.UNKNOWN),
                pixel_spacing_mm=None,
                view=View.A4C,
                instant=Instant.ED,
                source=f"{index}.png",
                source_sha256="0" * 64,
            )
        )
    write_cases(cases, tmp_path / "cases", ImportReport("unity"))
    store = CaseStore(tmp_path / "cases")
    segment_cones(store, "network", tmp_path / "network", "cpu", tmp_path / "cones")
    cones = read_table(tmp_path / "cones" / "cones.csv")
    masks = np.fromfile(tmp_path / "cones" / "masks.u8", np.uint8).reshape(6, 80, 96) > 0
    assert set(cones["method"]) <= {"network+fit", "fit"}
    assert (cones["method"] == "network+fit").sum() >= 4
    assert min(intersection_over_union(*pair) for pair in zip(masks, truths, strict=True)) > 0.93
    with Image.open(tmp_path / "cones" / "worst.png") as picture:
        assert picture.size[0] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [({"grid_size": 30}, "multiple of 4"), ({"images": 3}, "at least 10"), ({"masks": "nowhere"}, "no folder")],
)
def test_settings_that_cannot_work_are_refused(tmp_path, change, message):
    """A wrong size, too few images and a missing folder of masks are errors before any training."""
    from labeldropout.data.cone_network import train_cone_network

    with pytest.raises(ValueError, match=message):
        train_cone_network({**SETTINGS, **change}, 0, "cpu", tmp_path)


def test_the_method_network_needs_a_network(tmp_path, small_study):
    """Asking for the network without giving one is an error."""
    from labeldropout.data.case_store import CaseStore
    from labeldropout.data.segment_cone import segment_cones

    with pytest.raises(ValueError, match="no network given"):
        segment_cones(CaseStore(small_study.cases("first")), "network", None, "cpu", tmp_path / "cones")
