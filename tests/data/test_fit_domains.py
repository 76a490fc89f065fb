"""The simulated domains look as the facts of the real data sets say, and the search that set them."""

from dataclasses import fields, replace

import numpy as np
import pytest

from labeldropout.cli.main import main
from labeldropout.data.catalogue import DATASETS
from labeldropout.data.domains import DOMAINS, RANGES, fit, look_of, rows, settings_at, share_of
from labeldropout.data.fit_domains import contact_sheet, search
from labeldropout.data.look import CELLS, Fact, agrees
from labeldropout.simulation.scanner import Acquisition

N_IMAGES = 60
"""The fewest pictures of which the tolerances are meant."""
SEED = 0


@pytest.fixture(scope="module")
def looks():
    """Every domain at severity 1, measured on patients that the search did not see."""
    return {name: look_of(domain, domain.acquisition, N_IMAGES, SEED) for name, domain in DOMAINS.items()}


TESTED = [
    (name, cell)
    for name, domain in DOMAINS.items()
    for cell, fact in domain.facts.items()
    if fact.tested and not isinstance(fact.value, str)
]


@pytest.mark.parametrize(("name", "cell"), TESTED)
def test_simulated_is_within_the_tolerance_of_real(looks, name, cell):
    """Every cell of the facts that has a tolerance holds it."""
    fact, simulated = DOMAINS[name].facts[cell], looks[name][cell]
    assert agrees(cell, fact, simulated), f"{name}, {CELLS[cell].title}: {simulated:.3g} (real {fact.value})"


def test_every_simulated_data_set_has_its_facts():
    """No domain is set by eye, and facts name cells that exist."""
    assert list(DOMAINS) == [name for name, entry in DATASETS.items() if entry.simulate]
    for domain in DOMAINS.values():
        assert set(domain.facts) <= set(CELLS)
        assert list(domain.searched) == [name for name in RANGES if name in domain.searched]


@pytest.mark.parametrize("name", DOMAINS)
def test_settings_lie_within_the_plausible_ranges(name):
    """What the search found, and what was written into the scanner, lies where an acquisition may lie."""
    domain = DOMAINS[name]
    back = settings_at(domain.acquisition, domain.searched, share_of(domain.acquisition, domain.searched))
    for setting in domain.searched:
        assert getattr(back, setting) == pytest.approx(getattr(domain.acquisition, setting), abs=1e-6), setting


def test_blood_has_its_order_among_the_levels():
    """Levels that are measured above blood move with it, so that muscle never becomes darker than blood."""
    domain, searched = DOMAINS["camus"], ("blood_db", "septal_wall_db")
    low, high = (settings_at(domain.acquisition, searched, np.array([share, 0.5])) for share in (0.0, 1.0))
    assert high.blood_db > low.blood_db
    assert high.septal_wall_db - high.blood_db == pytest.approx(low.septal_wall_db - low.blood_db)


def test_ranges_are_of_settings_and_say_why():
    """Every range is of a field of the acquisition, in order, with its reason."""
    names = {field.name for field in fields(Acquisition)}
    for name, within in RANGES.items():
        assert name in names
        assert within.low < within.high
        assert within.why


def test_the_same_patients_are_seen_under_all_settings():
    """Common random numbers: another gain changes the grey of a picture and neither its heart nor its cone."""
    domain = DOMAINS["echonet"]
    dark, bright = (list(domain.pictures(replace(domain.acquisition, gain_db=gain), 3, seed=4)) for gain in (-4.0, 4.0))
    for one, other in zip(dark, bright, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.sector, other.sector)
        assert one.image.mean() < other.image.mean()


def test_a_search_finds_the_settings_that_made_the_facts():
    """Pictures made with a known gain, measured and taken for facts, give that gain back."""
    domain = DOMAINS["echonet"]
    truth = replace(domain.acquisition, gain_db=8.0)
    cells = ("frame_mean", "above_mean", "above_q50", "above_q90")
    look = look_of(domain, truth, 8, 3)
    known = replace(domain, facts={cell: Fact(look[cell], "made up") for cell in cells}, searched=("gain_db",))
    told = []
    found = fit(known, 8, 3, evaluations=6, say=told.append)
    assert found.gain_db == pytest.approx(8.0, abs=1.0)
    assert told


def test_cells_are_shown_real_beside_simulated(looks):
    """A row per cell that has a fact; words have no verdict, and numbers without a tolerance neither."""
    domain = DOMAINS["unity"]
    shown = {row[0]: row for row in rows(domain, looks["unity"])}
    assert len(shown) == len(domain.facts)
    assert shown["sector, mean"][1] == "45"
    assert shown["sector, share of the frame"][3] == ""
    assert shown["views"][1:4] == ("mostly A2C", "", "")
    far = {row[0]: row for row in rows(domain, {**looks["unity"], "sector_mean": 90.0})}
    assert (far["sector, mean"][2], far["sector, mean"][3]) == ("90", "no")


def test_the_page_shows_every_domain(tmp_path):
    """The page has a table and a sheet of pictures of every domain."""
    page = tmp_path / "domains.md"
    assert main(["fit-domains", "show", "--images", "4", "--seed", "0", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    for name in DOMAINS:
        assert f"\n## {name}\n" in text
        assert (tmp_path / f"domains-{name}.png").stat().st_size > 10_000
        assert f"(domains-{name}.png)" in text


def test_a_search_prints_settings_that_can_be_written_into_the_scanner(capsys):
    """The lines printed are those of the scanner's own module."""
    flags = ["--dataset", "echonet", "--images", "3", "--seed", "0", "--evaluations", "1", "--only", "gain_db"]
    assert main(["fit-domains", "search", *flags]) == 0
    said = capsys.readouterr().out
    assert "\n    gain_db=" in said
    assert "| whole frame, mean | 33 |" in said


def test_an_unknown_domain_or_setting_is_refused():
    """The message names the domains, or the settings that are searched in this one."""
    with pytest.raises(ValueError, match="expected one of camus, unity, echonet"):
        search("camos", 3, 0, 1, print)
    with pytest.raises(ValueError, match=r"unity: setting 'black_level' \(expected gain_db, "):
        search("unity", 3, 0, 1, print, ["black_level"])


def test_a_sheet_cuts_every_picture_to_its_cone():
    """Six pictures a row, none wider or higher than its tile."""
    domain = DOMAINS["echonet"]
    sheet = contact_sheet(list(domain.pictures(domain.acquisition, 7, 0)))
    assert sheet.shape[0] * 3 == sheet.shape[1]
    assert sheet[:, -1].max() < 255
