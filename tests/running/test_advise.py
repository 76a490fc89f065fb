"""Advice before any training: what is annotated where, and what is known of the remedies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from folder_pictures import write_laboratories

from labeldropout.running.advise import EVIDENCE, advise, confounding, evidence

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([[30, 0], [0, 10]], 1.0),
        ([[15, 5], [15, 5]], 0.0),
        ([[30], [10]], 0.0),
        ([[30, 5, 0], [0, 5, 0]], np.sqrt(3 / 7)),  # the third has no picture; chi squared by hand: 40 * 3 / 7
    ],
)
def test_confounding_is_the_tie_of_label_and_data_set(counts, expected):
    """One if one follows from the other, zero if they are independent, and the root of chi squared over n between."""
    assert confounding(np.array(counts)) == pytest.approx(expected)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workflow with made-up cells, twelve and ten pictures."""
    for name in ("config", "workflow", "results"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_laboratories(tmp_path / "data/raw/cells")
    return tmp_path


def test_advice_names_what_is_confounded_and_what_fits(root):
    """Labels as they are and after each hiding of the list, with the numbers of pictures and Cramér's V."""
    said = advise(root / "config/cells.yaml", root, {})
    as_it_is, *hidden = said.split("\nWith ")
    assert "nucleus       12 of 12      10 of 10      -" in as_it_is
    assert "Nothing is partly labelled" in as_it_is
    first = next(part for part in hidden if part.startswith("cytoplasm@laboratory_2:1.0 hidden in training (c2-p00,"))
    assert "cytoplasm     12 of 12      0 of 10       1.00" in first
    assert "would teach it as background in 10 pictures" in first
    at_random = next(part for part in hidden if part.startswith("cytoplasm@any:laboratory_2"))
    assert "has nothing to do with the data set" in at_random
    assert said.endswith("nothing yet: no ledger is there.")


def test_advice_on_the_paper_s_data_sets_knows_what_they_lack(root):
    """EchoNet has the ventricle alone: myocardium and atrium follow from the data set."""
    said = advise(root / "config/config.yaml", root, {})
    assert "LV            400 of 400  200 of 200  320 of 320  -" in said
    assert "LA            400 of 400  200 of 200  0 of 320    1.00" in said


@pytest.mark.parametrize(("folder", "data"), [(Path("results"), "simulated"), (Path("results/cells"), "real")])
def test_what_our_results_say_is_quoted_with_numbers(folder, data):
    """Verdict, outcome, difference, interval and number of seeds are those of the committed ledgers."""
    of = EVIDENCE[folder]
    said = "\n".join(evidence(ROOT / folder, of))
    assert f"({data} data" in said
    ledger = pd.concat([pd.read_csv(path) for path in (ROOT / folder / "tables").glob("claims*.csv")])
    row = ledger[(ledger["claim"] == "C6") & ledger["effect"].notna()].iloc[0]
    effect = f"{row['effect']:+.3f}".replace("-", "−")
    assert f"     {row['outcome']}: {row['comparison']}, {row['structure']} on {row['dataset']}: {effect} [" in said
    for claim in ("C6", "C7", "C8", "C9"):
        assert f"  {claim} " in said
    # A mean is no difference, and no Dice lies below 0.
    below = ledger[(ledger["claim"] == "C8") & ledger["effect"].notna()].iloc[0]
    assert f"{below['comparison']}, {below['structure']} on {below['dataset']}: {below['effect']:.3f} [0.000, " in said
    assert "Label dropout improves the structure that is missing in one domain." in said
    assert "seeds a side" in said
    assert "Dice lost by background in their place" in said
    assert evidence(ROOT / "nowhere", of) == []


def test_before_there_is_a_list_it_says_so(root):
    """What the models would hide is not known yet, and advice on what is annotated does not stand for it."""
    text = (root / "config/cells.yaml").read_text(encoding="utf-8")
    (root / "mine.yaml").write_text(text.replace("experiments_cells.tsv", "experiments_mine.tsv"), encoding="utf-8")
    said = advise(root / "mine.yaml", root, {})
    assert "config/experiments_mine.tsv: not there yet, so nothing is said of what its models would hide." in said


def test_a_structure_that_nobody_annotates_is_named(root):
    """Hidden at random, as often as where it is missing, in pictures that never had it."""
    text = (root / "config/cells.yaml").read_text(encoding="utf-8")
    (root / "mine.yaml").write_text(text.replace(", cytoplasm: 128}", "}"), encoding="utf-8")
    assert "cytoplasm: annotated nowhere" in advise(root / "mine.yaml", root, {})


def test_a_missing_folder_is_named(root):
    """Advice needs the folder's list of files, and says how to get it."""
    (root / "data/raw/cells").rename(root / "data/raw/others")
    with pytest.raises(ValueError, match=r"data/raw/cells: the data set laboratory_1 is not there\. Clone one"):
        advise(root / "config/cells.yaml", root, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("laboratory_2:", "süd:"), r"mine\.yaml: datasets: 'süd' does not match"),
        (
            ("laboratory_2:", "unity:"),
            r"datasets\.unity: format folder \(expected a name that no data set of the paper",
        ),
        (("laboratory_2:", "laboratory_1:"), r"mine\.yaml: not YAML \('laboratory_1' appears twice"),
        (("name: cytoplasm", "name: yes"), r"mine\.yaml: structures\.1\.name: True is not of type 'string'"),
        (("nucleus: 255", "nucleus: 255, rim: 7"), r"datasets\.laboratory_1: values: rim \(expected structures of the"),
        (("colour: true", "color: true"), r"datasets\.laboratory_1: .*unknown option .*Did you mean 'colour'\?"),
    ],
)
def test_a_configuration_that_cannot_run_gets_no_advice(root, change, message):
    """What the workflow would refuse later is refused in one line."""
    text = (root / "config/cells.yaml").read_text(encoding="utf-8")
    assert change[0] in text
    (root / "mine.yaml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        advise(root / "mine.yaml", root, {})


def test_grey_and_colour_in_one_model_are_refused(root):
    """A list whose models mix them could not be trained."""
    text = yaml.safe_load((root / "config/cells.yaml").read_text())
    text["datasets"]["laboratory_2"]["options"]["colour"] = False
    (root / "mine.yaml").write_text(yaml.safe_dump(text))
    with pytest.raises(ValueError, match="in colour laboratory_1, and in grey laboratory_2"):
        advise(root / "mine.yaml", root, {})


def test_a_picture_in_two_data_sets_is_named(root):
    """Equal bytes in two folders: each split keeps its own copies together, and does not see those of another."""
    assert "same bytes" not in advise(root / "config/cells.yaml", root, {})
    cells = root / "data/raw/cells"
    (cells / "Dataset 2/005.bmp").write_bytes((cells / "Dataset 1/007.bmp").read_bytes())
    said = advise(root / "config/cells.yaml", root, {})
    assert "1 pictures are in two data sets with the same bytes (first: " in said
    assert "Dataset 1/007.bmp = " in said
