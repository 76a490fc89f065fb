"""Splits: by patient, at random or from lists, and stable when data are added."""

import logging

import numpy as np
import pandas as pd
import pytest

from labeldropout.data.parts import PATIENTS, part_of_cases, read_parts
from labeldropout.data.split import split
from labeldropout.files import write_table
from labeldropout.labels import Part

SETTINGS = {
    "fractions": {"training": 0.6, "validation": 0.15, "test": 0.25},
    "source": {"camus": "random", "echonet": "random", "unity": "random"},
    "keep": None,
}
WORDS = {
    "camus": ("training", "validation", "testing"),
    "echonet": ("TRAIN", "VAL", "TEST"),
    "unity": ("train", "tune", "ival"),
}


def cases(dataset="camus", n=40, per_group=4, first=1):
    """The columns of a store's table that a split needs; four cases per patient."""
    numbers = np.repeat(np.arange(first, first + n), per_group)
    return pd.DataFrame({
        "dataset": dataset,
        "patient": [f"{dataset}-{number * 7919 % 10007:05d}" for number in numbers],
        "group_name": [f"patient{number:04d}" for number in numbers],
        "split_hint": "",
        "source_sha256": [f"{dataset}{case}" for case in range(first * per_group, (first + n) * per_group)],
    })  # fmt: skip


def hinted(dataset, n=12):
    """Cases whose data set assigns the parts itself: one third each."""
    table = cases(dataset, n)
    table["split_hint"] = [WORDS[dataset][int(name[-4:]) % 3] for name in table["group_name"]]
    return table


def settings(**changes):
    """The settings with some replaced."""
    return SETTINGS | changes


def counts(table):
    """Patients per part, in the order training, validation, test."""
    return [int((table["part"] == part).sum()) for part in Part]


def test_every_patient_gets_one_part_and_the_fractions_are_met():
    """All patients of all stores, once each, in sorted order."""
    stores = [cases("unity", 40), cases("camus", 60)]
    table = split(stores, SETTINGS, 1, {})
    assert list(table.columns) == list(PATIENTS)
    assert counts(table[table["dataset"] == "camus"]) == [36, 9, 15]
    assert counts(table[table["dataset"] == "unity"]) == [24, 6, 10]
    assert set(table["patient"]) == {patient for store in stores for patient in store["patient"]}
    assert table.equals(table.sort_values(["dataset", "patient"]).reset_index(drop=True))


def test_no_patient_crosses():
    """All cases of a patient have the same part."""
    store = cases(n=30)
    parts = part_of_cases(store, split([store], SETTINGS, 4, {}))
    assert parts.index.equals(store.index)
    assert all(len(set(of_one)) == 1 for _, of_one in parts.groupby(store["patient"]))
    assert set(parts) == set(Part)


def test_the_split_depends_on_the_seed_and_on_nothing_else():
    """Same seed, same table, whatever the order of rows or the other data sets; another seed, another table."""
    store = cases(n=40)
    table = split([store], SETTINGS, 1, {})
    shuffled = store.sample(frac=1, random_state=0)
    together = split([cases("echonet", 20), shuffled], SETTINGS, 1, {})
    assert together[together["dataset"] == "camus"].reset_index(drop=True).equals(table)
    assert not split([store], SETTINGS, 2, {}).equals(table)


def test_new_patients_never_move_old_ones(tmp_path):
    """With an earlier table, its patients keep their parts and the new ones fill the parts up to the fractions."""
    old = split([cases(n=20)], SETTINGS, 1, {})
    write_table(old, tmp_path / "patients.csv", PATIENTS)
    grown = split([cases(n=60)], settings(keep=str(tmp_path / "patients.csv")), 99, {})
    merged = grown.merge(old, on=["dataset", "patient"], suffixes=("", "_old"))
    assert len(merged) == 20
    assert (merged["part"] == merged["part_old"]).all()
    assert counts(grown) == [36, 9, 15]


def test_fractions_are_approached_as_far_as_kept_patients_allow(tmp_path):
    """If the old patients overfill a part, all new ones go to the others."""
    store = cases(n=20)
    kept = pd.DataFrame({"dataset": "camus", "patient": store["patient"].unique()[:16], "part": "training"})
    write_table(kept, tmp_path / "patients.csv", PATIENTS)
    table = split([store], settings(keep=str(tmp_path / "patients.csv")), 0, {})
    assert counts(table)[0] == 16
    assert counts(table)[1:] in ([1, 3], [2, 2])


def test_patients_who_share_a_file_stay_together():
    """The same content under two names would otherwise leak from training to test."""
    store = cases(n=40)
    store.loc[store["group_name"].isin(["patient0003", "patient0017", "patient0030"]), "source_sha256"] = "same"
    for seed in range(5):
        parts = part_of_cases(store, split([store], SETTINGS, seed, {}))
        assert len(set(parts[store["source_sha256"] == "same"])) == 1


@pytest.mark.parametrize("dataset", ["camus", "echonet", "unity"])
def test_a_data_set_s_own_lists_are_followed(dataset):
    """Each data set's own words for the parts are understood."""
    store = hinted(dataset)
    source = {dataset: "shipped" if dataset == "camus" else "official"}
    parts = part_of_cases(store, split([store], settings(source=source), 0, {}))
    expected = dict(zip(WORDS[dataset], Part, strict=True))
    assert list(parts) == [expected[hint] for hint in store["split_hint"]]


def test_official_camus_folds_are_followed(caplog):
    """Fold 1 tests patients 1 to 10; fold 10 trains on them or, as fold 1's test part, validates on them."""
    store = cases(n=500, per_group=1)
    for fold, expected in ((1, Part.TEST), (10, Part.VALIDATION), (5, Part.TRAINING)):
        table = split([store], settings(source={"camus": f"official:{fold}"}), 0, {})
        assert counts(table) == [400, 50, 50]
        assert set(part_of_cases(store, table)[:10]) == {expected}
    assert not caplog.records
    split([store[:80]], settings(source={"camus": "official:1"}), 0, {})
    assert "has 500 patients, of which 80 are here" in caplog.text


def test_an_official_fold_is_compared_with_the_data_set_s_own_lists(tmp_path):
    """Where `listSubGroups` says otherwise, the fold is not trusted."""
    names = [f"patient{number:04d}" for number in range(1, 61)]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "listSubGroups").mkdir()
    for part, listed in (("training", names[20:]), ("validation", names[10:20]), ("testing", names[:10])):
        (tmp_path / "listSubGroups" / f"subGroup1_{part}.txt").write_text("\n".join(listed))
    with pytest.raises(ValueError, match=r"fold 1: patient00.. differs from the official fold"):
        split([cases(n=60)], settings(source={"camus": "official:1"}), 0, {"camus": tmp_path})


def test_fold_lists_are_refused_for_the_older_release():
    """Its numbering is not that of the folds."""
    store = cases(n=20)
    store["group_name"] = "training_" + store["group_name"]
    with pytest.raises(ValueError, match="training_patient0001: the official folds number the 500 patients"):
        split([store], settings(source={"camus": "official:1"}), 0, {})


@pytest.mark.parametrize(("dataset", "source"), [("camus", "official"), ("camus", "official:x"), ("unity", "shipped"),
                                                 ("echonet", "official:1"), ("camus", "Random")])  # fmt: skip
def test_an_unknown_source_is_refused_with_the_valid_ones(dataset, source):
    """The error lists what the data set offers."""
    with pytest.raises(ValueError, match=rf"split\.source\.{dataset}: unknown value '{source}' .*one of random, "):
        split([cases(dataset)], settings(source={dataset: source}), 0, {})


def test_a_fold_that_does_not_exist_is_refused():
    """There are ten."""
    with pytest.raises(ValueError, match="no fold 11"):
        split([cases()], settings(source={"camus": "official:11"}), 0, {})


def test_a_patient_outside_all_folds_is_refused():
    """A fold list must cover the patients."""
    with pytest.raises(ValueError, match="patient0501 is in no official fold"):
        split([cases(n=12, first=500)], settings(source={"camus": "official:1"}), 0, {})


def test_two_frames_of_one_patient_in_two_lists_are_refused():
    """A leak in the data set's own split is an error, not a vote."""
    store = hinted("echonet")
    store.loc[0, "split_hint"] = "TEST" if store.loc[0, "split_hint"] != "TEST" else "VAL"
    with pytest.raises(ValueError, match="patient0001: the cases of one group are listed in several parts"):
        split([store], settings(source={"echonet": "official"}), 0, {})


@pytest.mark.parametrize("hint", ["", "train", "../TEST"])
def test_a_group_in_no_list_is_refused(hint):
    """Every group must have one of the data set's own words."""
    store = hinted("echonet")
    store.loc[:3, "split_hint"] = hint
    with pytest.raises(ValueError, match="patient0001: no part in the data set's own lists"):
        split([store], settings(source={"echonet": "official"}), 0, {})


def test_fewer_than_ten_groups_are_refused():
    """Nine patients are no basis for three parts; ten are."""
    with pytest.raises(ValueError, match=r"camus: too few groups to split \(expected at least 10, found 9\)"):
        split([cases(n=9)], SETTINGS, 0, {})
    assert counts(split([cases(n=10)], SETTINGS, 0, {})) == [6, 2, 2]


def test_an_empty_part_is_refused():
    """A data set whose lists leave a part out, or fractions that leave it nothing, end the split."""
    store = hinted("unity")
    store["split_hint"] = store["split_hint"].replace("ival", "tune")
    with pytest.raises(ValueError, match="unity: no group in the test part"):
        split([store], settings(source={"unity": "official"}), 0, {})
    with pytest.raises(ValueError, match="camus: no group in the validation part"):
        split([cases(n=10)], settings(fractions={"training": 0.98, "validation": 0.01, "test": 0.01}), 0, {})


@pytest.mark.parametrize(("changes", "words"), [
    ({"fractions": {"training": 0.6, "validation": 0.2, "test": 0.3}}, "sum 1"),
    ({"fractions": {"training": 1.0, "validation": 0.0, "test": 0.0}}, "positive numbers"),
    ({"fractions": {"training": 1.2, "validation": -0.1, "test": -0.1}}, "positive numbers"),
    ({"fractions": {"training": 0.8, "val": 0.1, "test": 0.1}}, "expected training, validation, test"),
    ({"source": {"unity": "random"}}, "no entry for camus"),
    ({"source": "random"}, "source by data set"),
    ({"sauce": {}}, "found .*sauce"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(changes, words):
    """The error names the setting."""
    with pytest.raises(ValueError, match=f"^split.*{words}"):
        split([cases()], settings(**changes), 0, {})


def test_a_data_set_in_two_tables_is_refused():
    """Two stores of one data set would give a patient two parts."""
    with pytest.raises(ValueError, match="data set camus is in two tables"):
        split([cases(), cases()], SETTINGS, 0, {})


def test_a_folder_under_any_name_is_divided_at_random():
    """A data set that the catalogue does not name has no official list, and the message names what there is."""
    source = {"hearts": "random"}
    parts = split([cases("hearts")], {**SETTINGS, "source": source}, 0, {})
    assert set(parts["dataset"]) == {"hearts"}
    with pytest.raises(ValueError, match=r"split\.source\.hearts: unknown value 'official' \(expected one of random\)"):
        split([cases("hearts")], {**SETTINGS, "source": {"hearts": "official"}}, 0, {})


@pytest.mark.parametrize(("rows", "words"), [
    ("camus,a,training\ncamus,a,test\n", "patient a stands more than once .*training, test"),
    ("camus,a,training\ncamus,a,training\n", "patient a stands more than once"),
    ("camus,a,dev\n", "part 'dev'"),
    ("camus,a,\n", "part ''"),
])  # fmt: skip
def test_a_kept_table_with_a_patient_twice_or_a_wrong_part_is_refused(tmp_path, rows, words):
    """The file is named."""
    path = tmp_path / "patients.csv"
    path.write_text("dataset,patient,part\n" + rows)
    with pytest.raises(ValueError, match=f"patients.csv: .*{words}"):
        split([cases()], settings(keep=str(path)), 0, {})


def test_a_kept_table_that_contradicts_the_official_lists_is_refused(tmp_path):
    """Neither wins in silence."""
    store = hinted("echonet")
    wrong = pd.DataFrame({"dataset": "echonet", "patient": store["patient"].unique(), "part": "training"})
    write_table(wrong, tmp_path / "patients.csv", PATIENTS)
    with pytest.raises(ValueError, match="the kept split says training, official says"):
        split([store], settings(source={"echonet": "official"}, keep=str(tmp_path / "patients.csv")), 0, {})


def test_official_lists_that_part_the_same_file_are_reported(caplog):
    """An official split is followed even then, with a warning."""
    store = hinted("echonet")
    store.loc[[0, 4], "source_sha256"] = "same"
    with caplog.at_level(logging.WARNING):
        split([store], settings(source={"echonet": "official"}), 0, {})
    assert "share a file and are in different parts" in caplog.text


def test_parts_of_cases_need_every_patient_once():
    """Training on a case whose patient is in two parts, in none, or in no part at all is impossible."""
    store = cases()
    table = split([store], SETTINGS, 0, {})
    with pytest.raises(ValueError, match=r"no part for 1 patients of these cases \(first camus-"):
        part_of_cases(store, table[1:])
    twice = pd.concat([table, table[:1].assign(part="test" if table["part"][0] != "test" else "training")])
    with pytest.raises(ValueError, match="stands more than once"):
        part_of_cases(store, twice)
    with pytest.raises(ValueError, match="part 'dev'"):
        part_of_cases(store, table.assign(part="dev"))
    with pytest.raises(ValueError, match="columns do not fit"):
        part_of_cases(store, table.drop(columns="part"))


def test_parts_of_several_data_sets_are_joined(tmp_path):
    """Each data set has its own table; the same one twice, and none at all, are refused with their names."""
    tables = {name: split([cases(name)], SETTINGS, 0, {}) for name in ("camus", "unity")}
    for name, table in tables.items():
        write_table(table, tmp_path / f"{name}.csv", PATIENTS)
    files = [tmp_path / f"{name}.csv" for name in tables]
    assert read_parts(files).equals(pd.concat(tables.values(), ignore_index=True))
    with pytest.raises(ValueError, match=r"camus\.csv, .*unity\.csv, .*camus\.csv: patient .* stands more than once"):
        read_parts([*files, files[0]])
    with pytest.raises(ValueError, match="no table of parts"):
        read_parts([])


def test_parts_are_kept_out_of_a_folder_with_a_table_per_data_set(tmp_path, caplog):
    """A study's own folder of splits can be kept; a data set that has no table there is divided anew, and said so."""
    old = split([cases(n=20)], SETTINGS, 1, {})
    write_table(old, tmp_path / "camus.csv", PATIENTS)
    kept = settings(keep=str(tmp_path))
    assert split([cases(n=20)], kept, 99, {}).equals(old)
    with caplog.at_level(logging.WARNING):
        new = split([cases("unity", 20)], kept, 99, {})
    assert new.equals(split([cases("unity", 20)], SETTINGS, 99, {}))
    assert "unity: no parts are kept" in caplog.text


def test_the_same_patient_name_in_two_data_sets_is_two_patients():
    """Parts are looked up by data set and patient."""
    patients = pd.DataFrame({"dataset": ["camus", "unity"], "patient": ["a", "a"], "part": ["training", "test"]})
    asked = pd.DataFrame({"dataset": ["unity", "camus"], "patient": ["a", "a"]}, index=[7, 3])
    parts = part_of_cases(asked, patients)
    assert parts.to_dict() == {7: "test", 3: "training"}
