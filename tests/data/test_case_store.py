"""The store gives back what was put in, streams, and is complete or not there."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from labeldropout.case import Case, DatasetError
from labeldropout.data.case_store import CaseStore, with_structures, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.data.pixels import Pixels, read_pixels
from labeldropout.data.prepared import PREPARED, read_prepared, write_prepared
from labeldropout.files import read_json, read_table, replacing, write_json, write_table
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Instant, State, View, number_structures, values_of


def make_case(n=1, **changes):
    """A case whose size, pixels and names depend on `n`."""
    rng = np.random.default_rng(n)
    shape = (3 + n, 9 - n)
    case = Case(
        dataset="camus",
        group_name=f"patient{n:04d}",
        frame=0,
        image=rng.integers(0, 256, shape, dtype=np.uint8),
        target=rng.integers(0, 4, shape, dtype=np.uint8),
        states=dict.fromkeys(FOREGROUND, State.LABELLED),
        pixel_spacing_mm=(0.1 + 0.2, 1 / 3),
        view=View.A4C,
        instant=Instant.ES,
        source=f"sub/a {n}.nii",
        source_sha256=f"{n:064d}",
        quality="Good",
        flags=("one", "two"),
        split_hint="training",
    )
    return replace(case, **changes)


def assert_same(left, right):
    """Every field of two cases is equal."""
    for name in Case.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


@pytest.fixture
def store(tmp_path):
    """Folder of a store with three cases of different sizes."""
    write_cases((make_case(n) for n in (1, 2, 3)), tmp_path / "store", ImportReport("camus"))
    return tmp_path / "store"


def test_cases_come_back_exactly(tmp_path):
    """Pixels of several shapes, spacings to the last bit, missing values, and names that look like something else."""
    unknown = {Structure.LV: State.LABELLED, Structure.LVM: State.ABSENT, Structure.LA: State.UNKNOWN}
    cases = [
        make_case(1),
        make_case(2, pixel_spacing_mm=None, view=None, instant=None, frame=7, quality="", flags=(), split_hint=""),
        make_case(3, group_name="NA", quality="null", split_hint="nan", source='a, "b".png'),
        make_case(4, group_name="0012", source="1e5", source_sha256="1" * 64),
        make_case(5, states=unknown, target=np.eye(8, 4, dtype=np.uint8), frame=-0),
    ]
    report = ImportReport("camus", found=5)
    assert write_cases(iter(cases), tmp_path, report) == report.used == 5
    store = CaseStore(tmp_path)
    assert len(store) == 5
    for n, case in enumerate(cases):
        assert_same(store.case(n), case)
        np.testing.assert_array_equal(store.image(n), case.image)
        np.testing.assert_array_equal(store.target(n), case.target)
        assert store.states(n) == case.states
    assert store.spacing_mm(0) == (0.1 + 0.2, 1 / 3)
    assert store.spacing_mm(1) is None


def test_the_same_cases_give_the_same_bytes(store, tmp_path):
    """A second import of the same data set is the same store."""
    write_cases((make_case(n) for n in (1, 2, 3)), tmp_path / "again", ImportReport("camus"))
    assert sorted(path.name for path in store.iterdir()) == [
        "cases.csv", "images.u8", "pixels.json", "rejected.csv", "report.json", "targets.u8",
    ]  # fmt: skip
    for path in store.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_cases_are_taken_one_at_a_time(tmp_path):
    """When a case is asked for, the one before the last is no longer held, so memory does not grow."""
    import gc
    import weakref

    alive = []

    def cases():
        for n in range(1, 7):
            case = make_case(n)
            alive.append(weakref.ref(case))
            yield case
            del case
            gc.collect()
            assert sum(reference() is not None for reference in alive) <= 1

    assert write_cases(cases(), tmp_path, ImportReport("camus")) == 6


def test_an_identifier_in_two_files_is_refused_with_both(tmp_path):
    """Two files for one still end the import."""
    with pytest.raises(ValueError, match=r"b\.png: duplicate case camus-.*also in sub/a 1\.nii"):
        write_cases([make_case(1), make_case(1, source="b.png")], tmp_path, ImportReport("camus"))
    assert list(tmp_path.iterdir()) == []


def test_an_import_without_any_case_is_refused(tmp_path):
    """An empty store would only fail later."""
    with pytest.raises(ValueError, match="camus: import: no case left to store"):
        write_cases([], tmp_path, ImportReport("camus"))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_import_leaves_nothing_behind(tmp_path):
    """Half a store is never seen."""

    def cases():
        yield make_case(1)
        raise DatasetError.about("camus", "x", "wrong", 1, 2)

    with pytest.raises(DatasetError, match="x: wrong"):
        write_cases(cases(), tmp_path / "store", ImportReport("camus"))
    assert list((tmp_path / "store").iterdir()) == []


def test_a_failing_import_leaves_the_older_store_as_it_was(store):
    """The older cases can still be read, to the last pixel."""

    def cases():
        yield make_case(4)
        raise DatasetError.about("camus", "x", "wrong", 1, 2)

    before = {path.name: path.read_bytes() for path in store.iterdir()}
    with pytest.raises(DatasetError):
        write_cases(cases(), store, ImportReport("camus"))
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before


def test_too_much_skipped_leaves_nothing_behind(tmp_path):
    """The report's limit is enforced before anything appears."""
    report = ImportReport("camus", found=2)
    report.skip("LV empty", "patient0002")
    with pytest.raises(DatasetError, match="too many items skipped"):
        write_cases([make_case(1)], tmp_path, report)
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_written_beside_the_cases(tmp_path):
    """Numbers, skipped and rejected items can be read without this program."""
    report = ImportReport("camus", "skip", skip_limit=0.5, found=3)
    report.skip("LV empty", "patient0002")
    report.rejected.append({"item": "patient0003", "error": "camus: x: wrong"})
    write_cases([make_case(1)], tmp_path, report)
    content = json.loads((tmp_path / "report.json").read_text())
    assert (content["found"], content["used"], content["skipped"]) == (3, 1, {"LV empty": ["patient0002"]})
    assert (tmp_path / "rejected.csv").read_text() == "item,error\npatient0003,camus: x: wrong\n"


@pytest.mark.parametrize("name", ["images.u8", "targets.u8"])
def test_a_truncated_pixel_file_is_named(store, name):
    """Expected and found bytes stand in the error."""
    path = store / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"{name}: wrong size \(expected 103 bytes, found 102\)"):
        CaseStore(store)


@pytest.mark.parametrize("name", ["images.u8", "targets.u8", "cases.csv"])
def test_a_missing_file_is_named(store, name):
    """Without one of its files a store does not open."""
    (store / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        CaseStore(store)


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda text: text[:0], "not a CSV table"),
    (lambda text: text[:-1], "truncated"),
        (lambda text: text[:-70], "truncated"),
    (lambda text: "".join(text.splitlines(keepends=True)[:-1]), "wrong size"),
    (lambda text: "".join(text.splitlines(keepends=True)[i] for i in (0, 2, 3)), "offsets do not follow"),
    (lambda text: text.replace(",4,8,", ",four,8,"), "not a whole number"),
    (lambda text: text.replace(",4,8,", ",-4,-8,"), "not a whole number"),
    (lambda text: text.replace(",4,8,", ",8,3,"), "offsets do not follow"),
    (lambda text: text.replace("labelled", "drawn", 1), "unknown state of LV .*drawn"),
    (lambda text: text.replace("frame", "farme", 1), r"farme: Did you mean 'frame'\?"),
    (lambda text: text + "a,b\n" + "c," * 40 + "\n", "not a CSV table"),
])  # fmt: skip
def test_a_damaged_table_is_refused(store, spoil, words):
    """A store whose table does not fit its pixels does not open."""
    path = store / "cases.csv"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=words) as error:
        CaseStore(store)
    assert str(store) in str(error.value)


def test_pixels_cannot_be_changed_through_the_store(store):
    """An image is a view of the file, opened for reading."""
    with pytest.raises(ValueError, match="read-only"):
        CaseStore(store).image(0)[0, 0] = 1


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    """If writing fails, the old content stays and nothing else is left."""
    path = tmp_path / "deep" / "file.txt"
    with replacing(path, "w") as file:
        file.write("old\n")

    def fail():
        with replacing(path, "w") as file:
            file.write("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old\n"
    assert list(path.parent.iterdir()) == [path]


def test_numbers_survive_a_table_to_the_last_bit(tmp_path):
    """Written and read, floats are the same 64 bits; NaN is an empty cell; text stays text."""
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.random(500), rng.standard_normal(500) * 10.0 ** rng.integers(-300, 300, 500),
                              [0.1 + 0.2, 5e-324, -0.0, np.nan, np.inf]])  # fmt: skip
    table = pd.DataFrame({"number": numbers, "name": [f"{n:04d}" for n in range(len(numbers))]})
    write_table(table, tmp_path / "a.csv")
    again = read_table(tmp_path / "a.csv", ("number", "name"), ("name",))
    assert again["number"].to_numpy().tobytes() == numbers.tobytes()
    assert list(again["name"]) == list(table["name"])
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()
    assert b"\n,1003\n" in (tmp_path / "a.csv").read_bytes()


def test_a_table_with_other_columns_is_neither_written_nor_read(tmp_path):
    """Columns are checked on both ways."""
    with pytest.raises(ValueError, match=r"a\.csv: columns do not fit"):
        write_table(pd.DataFrame({"x": [1]}), tmp_path / "a.csv", ("y",))
    assert not (tmp_path / "a.csv").exists()
    write_table(pd.DataFrame({"x": [1]}), tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv: columns do not fit"):
        read_table(tmp_path / "a.csv", ("y",))
    (tmp_path / "b.csv").write_bytes(b"x\n\xff\xfe\n")
    with pytest.raises(ValueError, match=r"b\.csv: not a CSV table"):
        read_table(tmp_path / "b.csv")


def test_json_is_sorted_and_refuses_nan(tmp_path):
    """The same content is the same bytes; what is no JSON is refused with the file's name."""
    write_json({"b": 1, "a": [0.1]}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    0.1\n  ],\n  "b": 1\n}\n'
    assert read_json(tmp_path / "a.json") == {"a": [0.1], "b": 1}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(float("nan"), tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"a\.json: not JSON"):
        read_json(tmp_path / "a.json")


GREY = Pixels(1, number_structures(["LV", "LVM", "LA"]))


def prepared_table(n):
    """Rows for `n` prepared cases."""
    row = dict.fromkeys(with_structures(PREPARED, values_of(FOREGROUND)), 1) | {
        "view": "A2C",
        "instant": "",
        "row_spacing_mm": np.nan,
    }
    return pd.DataFrame([row | {"case": f"c{i}"} for i in range(n)])


def arrays(n, side=5):
    """`n` images and targets."""
    pixels = np.random.default_rng(n).integers(0, 4, (2, n, side, side), dtype=np.uint8)
    return pixels[0], pixels[1]


def test_prepared_arrays_come_back_row_by_row(tmp_path):
    """Arrays are ordinary .npy files, opened without being read."""
    images, targets = arrays(3)
    write_prepared(iter(images), iter(targets), prepared_table(3), GREY, tmp_path)
    prepared = read_prepared(tmp_path)
    np.testing.assert_array_equal(prepared.images, images)
    np.testing.assert_array_equal(np.load(tmp_path / "targets.npy"), targets)
    assert list(prepared.table["case"]) == ["c0", "c1", "c2"]
    assert isinstance(prepared.images, np.memmap)
    assert list(prepared.table["instant"]) == [""] * 3


@pytest.mark.parametrize(("n_images", "n_targets", "n_rows"), [(3, 3, 2), (3, 3, 4), (3, 2, 3), (0, 0, 0)])
def test_prepared_arrays_that_do_not_fit_the_table_are_not_written(tmp_path, n_images, n_targets, n_rows):
    """One image and one target for each row, and at least one row."""
    with pytest.raises(ValueError, match=r"prepared images for a table|zip\(\)"):
        write_prepared(iter(arrays(n_images)[0]), iter(arrays(n_targets)[1]), prepared_table(n_rows), GREY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_prepared_images_of_another_size_are_refused(tmp_path):
    """All are squares of one side."""
    with pytest.raises(ValueError, match="prepared shapes"):
        write_prepared([np.zeros((5, 5), np.uint8), np.zeros((5, 4), np.uint8)], np.zeros((2, 5, 5), np.uint8),
                       prepared_table(2), GREY, tmp_path)  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["empty", "truncated", "header", "objects", "floats", "archive"])
def test_a_damaged_prepared_array_is_named(tmp_path, content):
    """Nothing is unpickled, and a wrong file ends with its name."""
    images, targets = arrays(3)
    write_prepared(images, targets, prepared_table(3), GREY, tmp_path)
    path = tmp_path / "images.npy"
    if content == "objects":
        np.save(path, np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)
    elif content == "floats":
        np.save(path, images.astype(np.float32))
    elif content == "archive":
        with path.open("wb") as file:
            np.savez(file, images=images)
    else:
        path.write_bytes(path.read_bytes()[: {"empty": 0, "truncated": -1, "header": 20}[content]])
    with pytest.raises(ValueError, match=r"images\.npy: (not a prepared|wrong) array"):
        read_prepared(tmp_path)


def test_prepared_images_in_colour_come_back(tmp_path):
    """Channels are the last axis, and `pixels.json` says how many there are."""
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    write_prepared(images, arrays(2)[1], prepared_table(2), Pixels(3, GREY.structures), tmp_path)
    prepared = read_prepared(tmp_path)
    np.testing.assert_array_equal(prepared.images, images)
    assert prepared.pixels.channels == 3
    (tmp_path / "pixels.json").write_text('{"channels": 1, "structures": {"LV": 1, "LVM": 2, "LA": 3}}')
    with pytest.raises(ValueError, match=r"images\.npy: wrong array \(expected uint8 \(2, S, S\)"):
        read_prepared(tmp_path)


def coloured(n=1, names=("nucleus", "cytoplasm"), **changes):
    """A case of three channels with structures of its own, the first of them drawn in one pixel."""
    structures = number_structures(names)
    target = np.zeros((4, 5), np.uint8)
    target[1, 2] = 1
    image = np.random.default_rng(n).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    states = dict.fromkeys(structures, State.LABELLED)
    return replace(make_case(n), image=image, target=target, states=states, **changes)


def test_any_structures_and_channels_come_back(tmp_path):
    """A colour picture of a cell is stored as a grey one of a heart."""
    cases = [coloured(1), coloured(2)]
    write_cases(cases, tmp_path, ImportReport("cells"))
    store = CaseStore(tmp_path)
    assert store.pixels.channels == 3
    assert values_of(store.pixels.structures) == {"nucleus": 1, "cytoplasm": 2}
    assert list(store.table.columns[7:9]) == ["nucleus", "cytoplasm"]
    for n, case in enumerate(cases):
        assert_same(store.case(n), case)
        np.testing.assert_array_equal(store.image(n), case.image)


def test_a_label_map_gets_the_values_of_the_study(tmp_path):
    """A data set numbers its structures as it likes; what it does not know is unknown."""
    study = number_structures(["wall", "cytoplasm", "nucleus"])
    write_cases([coloured()], tmp_path, ImportReport("cells"), study)
    store = CaseStore(tmp_path)
    assert np.argwhere(store.target(0) == study["nucleus"]).tolist() == [[1, 2]]
    assert store.target(0).sum() == 3
    assert list(store.states(0).values()) == [State.UNKNOWN, State.LABELLED, State.LABELLED]


def test_a_structure_that_the_study_does_not_have_is_refused(tmp_path):
    """A misspelt name would otherwise be background everywhere."""
    with pytest.raises(DatasetError, match=r"expected nucleus, found cytoplasm"):
        write_cases([coloured()], tmp_path, ImportReport("cells"), number_structures(["nucleus"]))


def test_grey_and_colour_are_not_mixed(tmp_path):
    """All images of a store have the same channels."""
    with pytest.raises(DatasetError, match=r"another number of channels \(expected 3, found 1\)"):
        write_cases([coloured(1), replace(coloured(2), image=np.ones((4, 5), np.uint8))], tmp_path, ImportReport("x"))


def test_a_structure_is_not_called_like_a_column(tmp_path):
    """The table of the cases has a column for each structure."""
    with pytest.raises(ValueError, match="quality is the name of a column"):
        write_cases([coloured(names=("nucleus", "quality"))], tmp_path, ImportReport("cells"))


@pytest.mark.parametrize("content", ["[]", "{}", '{"channels": 0, "structures": {"a": 1}}',
                                     '{"channels": 1, "structures": ["a"]}'])  # fmt: skip
def test_a_store_whose_pixels_mean_nothing_is_named(store, content):
    """Without the meaning of its values a label map is nothing."""
    (store / "pixels.json").write_text(content)
    with pytest.raises(ValueError, match=r"pixels\.json: .*expected"):
        CaseStore(store)
    (store / "pixels.json").unlink()
    with pytest.raises(ValueError, match=r"pixels\.json: not there .* make it again"):
        read_pixels(store)
