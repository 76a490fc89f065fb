"""Prediction on anybody's images and videos."""

import gzip
import json
from pathlib import Path

import av
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy import ndimage

from labeldropout.cone import Cone, cone_mask
from labeldropout.learning.model import Model, build_model
from labeldropout.predict.outline import predict_files
from labeldropout.predict.readers import find_inputs

REAL = Path(__file__).parents[3] / "shared" / "real"
SHAPE = (90, 120)


def clip(n_frames=1, shape=SHAPE):
    """A speckled fan on black, lying to the right and down so that a flip would show."""
    rng = np.random.default_rng(0)
    frames = rng.integers(20, 255, (n_frames, *shape), dtype=np.uint8)
    return frames * cone_mask(Cone(8.0, 70.0, 0.5, 0.0, 75.0), shape)


def predict(inputs, weights, output, **options):
    """Predict on the CPU."""
    options = {"cone": "geometry", "cone_network": None, **options}
    return predict_files(inputs, weights=weights, device="cpu", output=output, **options)


def write_inputs(folder):
    """One file of each kind with the same first frame; the videos and a NIfTI have three frames."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = clip(3)
    affine = np.diag([-0.4, -0.3, 1.0, 1.0])
    image = nib.Nifti1Image(frames.transpose(2, 1, 0), affine)
    image.header.set_zooms((0.4, 0.3, 1.0))
    nib.save(image, folder / "cine.nii.gz")
    still = nib.Nifti1Image(frames[0].T, affine)
    still.header.set_zooms((0.4, 0.3))
    nib.save(still, folder / "still.nii")
    meta = sitk.GetImageFromArray(frames[0])
    meta.SetSpacing((0.4, 0.3))
    sitk.WriteImage(meta, str(folder / "meta.mhd"))
    Image.fromarray(frames[0]).save(folder / "picture.png")
    with av.open(str(folder / "video.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SHAPE, "yuvj420p"
        stream.options = {"qmin": "1", "qmax": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, 2), format="rgb24")))
        container.mux(stream.encode())
    return frames


def test_every_format_is_predicted_on_its_own_grid(tmp_path, weights):
    """The same frame in five formats gives the same label map, in the format and geometry of the input."""
    write_inputs(tmp_path / "in")
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    areas = predict([tmp_path / "in"], weights, tmp_path / "out")
    out = tmp_path / "out"
    still = nib.load(out / "still.nii.gz")
    source = nib.load(tmp_path / "in" / "still.nii")
    assert still.shape == source.shape
    assert np.array_equal(still.affine, source.affine)
    assert still.header.get_zooms() == source.header.get_zooms()
    assert still.get_data_dtype() == np.uint8
    cine = nib.load(out / "cine.nii.gz")
    assert cine.shape == (SHAPE[1], SHAPE[0], 3)
    labels = np.asarray(still.dataobj).T
    assert labels.shape == SHAPE
    assert set(np.unique(labels)) <= {0, 1, 2, 3}
    assert labels.any()
    meta = sitk.ReadImage(str(out / "meta.mha"))
    assert meta.GetSpacing() == pytest.approx((0.4, 0.3))
    assert np.array_equal(sitk.GetArrayFromImage(meta), labels)
    # A PNG has no spacing, so its square is another one; its grid is the input's all the same.
    assert np.asarray(Image.open(out / "picture.png")).shape == SHAPE
    assert nib.load(out / "video.nii.gz").shape == (SHAPE[1], SHAPE[0], 3)
    assert set(areas["file"]) == {"cine", "still", "meta", "picture", "video"}


def test_areas_are_counted_in_pixels_and_square_centimetres(tmp_path, weights):
    """Areas equal the pixels of the label map times the pixel's area; without spacing the cell is empty."""
    write_inputs(tmp_path / "in")
    predict([tmp_path / "in"], weights, tmp_path / "out")
    areas = pd.read_csv(tmp_path / "out" / "areas.csv")
    assert len(areas) == 3 * (3 + 1 + 1 + 1 + 3)
    labels = np.asarray(nib.load(tmp_path / "out" / "cine.nii.gz").dataobj)
    row = areas[(areas["file"] == "cine") & (areas["frame"] == 2) & (areas["structure"] == "LA")].iloc[0]
    assert row["area_px"] == (labels[..., 2] == 3).sum()
    assert row["area_cm2"] == pytest.approx(row["area_px"] * 0.4 * 0.3 / 100, abs=1e-4)
    assert areas.loc[areas["file"].isin(["picture", "video"]), "area_cm2"].isna().all()


def test_every_structure_is_one_region(tmp_path, weights, monkeypatch):
    """Of a network that draws specks everywhere, one region of each structure is left."""
    specks = np.random.default_rng(0).integers(0, 4, SHAPE, dtype=np.uint8)
    monkeypatch.setattr("labeldropout.learning.model.Model.label_map", lambda *_: specks)
    write_inputs(tmp_path / "in")
    predict([tmp_path / "in" / "picture.png"], weights, tmp_path / "out")
    labels = np.asarray(Image.open(tmp_path / "out" / "picture.png"))
    for structure in (1, 2, 3):
        assert ndimage.label(labels == structure, np.ones((3, 3)))[1] == 1


def test_overlays_move_when_the_input_moves(tmp_path, weights):
    """A clip gets an animated overlay with all its frames, a still one picture."""
    write_inputs(tmp_path / "in")
    predict([tmp_path / "in"], weights, tmp_path / "out")
    with Image.open(tmp_path / "out" / "video_overlay.png") as animated:
        assert animated.n_frames == 3
        assert animated.info["duration"] == 40, "25 frames a second, as the video says"
        assert animated.size == (SHAPE[1], SHAPE[0])
    with Image.open(tmp_path / "out" / "picture_overlay.png") as still:
        assert getattr(still, "n_frames", 1) == 1


def test_predicting_twice_gives_the_same_bytes(tmp_path, weights):
    """No times in any output."""
    write_inputs(tmp_path / "in")
    for name in ("first", "second"):
        predict([tmp_path / "in"], weights, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*"))
    assert len(files) == 16
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file


def test_a_slope_in_the_header_is_applied_and_not_handed_on(tmp_path, weights):
    """Stored intensities are scaled when read; the label map is stored as it is."""
    image = nib.Nifti1Image(clip()[0].T, np.diag([-0.4, -0.4, 1.0, 1.0]))
    image.header.set_slope_inter(0.996, 0)
    nib.save(image, tmp_path / "scaled.nii.gz")
    predict([tmp_path / "scaled.nii.gz"], weights, tmp_path / "out")
    values = np.unique(np.asarray(nib.load(tmp_path / "out" / "scaled.nii.gz").dataobj))
    assert set(values) <= {0, 1, 2, 3}


def test_the_whole_frame_is_used_without_a_cone(tmp_path, weights):
    """With --cone none even a black frame is predicted, and the table says none."""
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / "black.png")
    areas = predict([tmp_path / "black.png"], weights, tmp_path / "out", cone="none")
    assert set(areas["cone"]) == {"none"}


def corrupt_gzip(path):
    """A NIfTI that ends too early."""
    path.write_bytes(gzip.compress(bytes(352 + 10)))


BAD = {
    "cut.nii.gz": corrupt_gzip,
    "text.nii": lambda path: path.write_text("no image"),
    "volume.nii.gz": lambda path: nib.save(nib.Nifti1Image(np.zeros((4, 5, 6, 7), np.uint8), np.eye(4)), path),
    "nan.nii.gz": lambda path: nib.save(nib.Nifti1Image(np.full((9, 9), np.nan, np.float32), np.eye(4)), path),
    "hounsfield.nii.gz": lambda path: nib.save(nib.Nifti1Image(np.full((9, 9), 900.0, np.float32), np.eye(4)), path),
    "black.png": lambda path: Image.fromarray(np.zeros(SHAPE, np.uint8)).save(path),
    "text.png": lambda path: path.write_text("no image"),
    "text.avi": lambda path: path.write_bytes(b"no video" * 100),
    "empty.mp4": lambda path: path.write_bytes(b""),
    "header.mhd": lambda path: path.write_text("NDims = 2\nElementDataFile = gone.raw\n"),
    "data.csv": lambda path: path.write_text("a,b\n"),
    "gone.png": lambda _: None,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_is_named(tmp_path, weights, name):
    """Whatever is wrong with a file, one error names it."""
    BAD[name](tmp_path / name)
    with pytest.raises(ValueError, match=name):
        predict([tmp_path / name], weights, tmp_path / "out")


def test_outputs_never_replace_each_other_or_an_input(tmp_path, weights):
    """Equal names of two inputs, an input in the output folder and a name like an overlay's are refused."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        Image.fromarray(clip()[0]).save(tmp_path / folder / "a.png")
    with pytest.raises(ValueError, match="would replace"):
        predict([tmp_path / "one", tmp_path / "two"], weights, tmp_path / "out")
    with pytest.raises(ValueError, match="overwritten"):
        predict([tmp_path / "one"], weights, tmp_path / "one")
    Image.fromarray(clip()[0]).save(tmp_path / "one" / "a_overlay.png")
    with pytest.raises(ValueError, match="overlay"):
        predict([tmp_path / "one"], weights, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_are_searched_in_depth_and_in_order(tmp_path):
    """Files are found below a folder, sorted; others are listed, and a MetaImage's data file is not one of them."""
    write_inputs(tmp_path / "b" / "c")
    Image.fromarray(clip()[0]).save(tmp_path / "a.png")
    (tmp_path / "b" / "readme.txt").write_text("")
    found = find_inputs([tmp_path], tmp_path / "out")
    assert list(found.files)[:2] == [Path("a"), Path("b/c/cine")]
    assert len(found.files) == 6
    assert [path.name for path in found.skipped] == ["readme.txt"]


def test_names_and_values_are_those_of_the_weights(tmp_path, config):
    """A model of something else than hearts labels, names and measures what its weights say, and finds no ventricle."""
    config = {**config, "structures": {"nucleus": 7, "cell": 2}}
    model = build_model(config, 3, torch.device("cpu"))
    weights = tmp_path / "cells.safetensors"
    metadata = {"labeldropout": json.dumps({"config": config, "seed": 3})}
    save_file({name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}, weights, metadata)
    write_inputs(tmp_path / "in")
    areas = predict([tmp_path / "in" / "video.avi"], weights, tmp_path / "out")
    assert areas["structure"].tolist() == ["cell", "nucleus"] * 3
    values = np.unique(np.asarray(nib.load(tmp_path / "out" / "video.nii.gz").dataobj))
    assert set(values) <= {0, 2, 7}
    lines = (tmp_path / "out" / "labels.txt").read_text().splitlines()
    assert [(line.split()[0], line.split('"')[1]) for line in lines[-2:]] == [("2", "cell"), ("7", "nucleus")]
    assert not (tmp_path / "out" / "clips.csv").exists()


def test_a_model_for_colour_sees_colours(tmp_path, fan, monkeypatch, config):
    """The network gets the same three channels from every format, and equal ones of grey; overlays keep the colours."""
    config = {**config, "channels": 3}
    model = build_model(config, 3, torch.device("cpu"))
    weights = tmp_path / "colour.safetensors"
    metadata = {"labeldropout": json.dumps({"config": config, "seed": 3})}
    save_file({name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}, weights, metadata)
    seen, ask = [], Model.probabilities
    monkeypatch.setattr(Model, "probabilities", lambda self, images: seen.append(images) or ask(self, images))
    grey = fan()[0]
    colour = np.stack([grey, grey // 2, grey // 4], -1)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "still.png")
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "vector.nii.gz"))
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "meta.mha"))
    write_inputs(tmp_path / "in")
    names = ("grey.png", "still.png", "vector.nii.gz", "meta.mha", "in/video.avi")
    predict([tmp_path / name for name in names], weights, tmp_path / "out", cone="none")
    of_grey, still, vector, meta, video = seen
    assert still.shape == (1, 32, 32, 3)
    assert video.shape == (3, 32, 32, 3)
    assert (of_grey == of_grey[..., :1]).all()
    assert np.abs(still[..., 0] / 2 - still[..., 1]).max() < 2
    assert np.array_equal(still, vector)
    assert np.array_equal(still, meta)
    with Image.open(tmp_path / "out" / "still_overlay.png") as overlay:
        assert (np.asarray(overlay) == colour).all(-1).mean() > 0.5


def test_missing_released_weights_say_how_to_make_them(tmp_path, monkeypatch):
    """Without the released model the message says what to do."""
    monkeypatch.setattr("labeldropout.predict.outline.RELEASED_WEIGHTS", tmp_path / "gone.safetensors")
    Image.fromarray(clip()[0]).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"gone.safetensors: no such weights.*make reproduce"):
        predict([tmp_path / "a.png"], None, tmp_path / "out")


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder shared/real is not beside the repository")
def test_a_real_clip_is_predicted(tmp_path, weights):
    """A real NIfTI clip with a slope and a negative affine goes through, with its cone found."""
    areas = predict([REAL / "a4c_sequence.nii.gz"], weights, tmp_path)
    assert set(areas["cone"]) == {"fit"}
    made, source = nib.load(tmp_path / "a4c_sequence.nii.gz"), nib.load(REAL / "a4c_sequence.nii.gz")
    assert made.shape == source.shape
    assert np.array_equal(made.affine, source.affine)
