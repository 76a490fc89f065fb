"""What a training sees, step by step."""

import json

import numpy as np
import pytest
import torch
from workflow_copy import CONFIGURATION

from labeldropout.data.parts import PATIENTS
from labeldropout.files import read_table
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Part, number_structures
from labeldropout.learning.batches import IGNORED, Batches, draw_unlabelled_cases, hide_labels, load_cases

AUGMENTATION = {"name": "strong", "transforms": CONFIGURATION["training"]["augmentation"]["strong"]}
DROPOUT = {"structures": ["LA"], "probability": 0.5, "mode": "single"}


def load(study, part=Part.TRAINING, structures=FOREGROUND):
    """Cases of both data sets."""
    folders = [study.prepared("first"), study.prepared("second")]
    return load_cases(folders, read_table(study.split, PATIENTS), part, structures, 1, torch.device("cpu"))


def test_parts_do_not_share_patients(small_study):
    """Training, validation and test hold different patients, and together all of them."""
    patients = [set(load(small_study, part).table["patient"]) for part in Part]
    assert len(set.union(*patients)) == sum(map(len, patients)) == 20


def test_annotated_comes_from_the_table(small_study):
    """The second data set's left atria are unannotated; everything else is annotated, background included."""
    cases = load(small_study)
    second = (cases.table["dataset"] == "second").to_numpy()
    assert cases.annotated[:, :3].all()
    assert (cases.annotated[:, 3].numpy() == ~second).all()


def test_structures_that_are_not_segmented_are_background(small_study):
    """A network for the ventricle alone sees two channels, and myocardium and atrium as background (decision 6)."""
    all_structures, ventricle = load(small_study), load(small_study, structures=(Structure.LV,))
    assert ventricle.annotated.shape[1] == 2
    assert torch.equal(ventricle.targets == 1, all_structures.targets == Structure.LV)
    assert ventricle.targets.max() == 1


def test_the_same_cases_lose_their_label_in_every_training(small_study):
    """Which labels are hidden depends on the study's seed, not on the order of the rows (decision 5)."""
    table = load(small_study).table
    hidden = [{"structure": "LVM", "dataset": "first", "share": 0.5}]
    loses = draw_unlabelled_cases(table, hidden, FOREGROUND, study_seed=1)
    assert loses.sum() == 6
    assert loses[:, 2].sum() == 6
    assert set(table["dataset"][loses[:, 2]]) == {"first"}
    shuffled = table.sample(frac=1, random_state=0)
    again = draw_unlabelled_cases(shuffled, hidden, FOREGROUND, study_seed=1)
    assert set(shuffled["case"][again[:, 2]]) == set(table["case"][loses[:, 2]])
    other = draw_unlabelled_cases(table, hidden, FOREGROUND, study_seed=2)
    assert not np.array_equal(other, loses)


def test_labels_are_hidden_without_regard_to_the_domain(small_study):
    """As many atria as the first data set has are hidden, from both data sets; the number is what counts."""
    table = load(small_study).table
    known = table.assign(LA="labelled")
    hidden = [{"structure": "LA", "dataset": "any", "as_many_as": "first"}]
    loses = draw_unlabelled_cases(known, hidden, FOREGROUND, study_seed=1)
    assert loses.sum() == loses[:, 3].sum() == (known["dataset"] == "first").sum()
    assert set(known["dataset"][loses[:, 3]]) == {"first", "second"}


def test_a_hidden_label_is_gone_from_target_and_annotation(small_study):
    """Hiding every atrium of the first data set leaves no pixel and no annotation of it there."""
    cases = load(small_study)
    loses = draw_unlabelled_cases(
        cases.table, [{"structure": "LA", "dataset": "first", "share": 1.0}], FOREGROUND, study_seed=1
    )
    without = hide_labels(cases, loses, ignore=False)
    assert not without.annotated[:, 3].any()
    assert not (without.targets == Structure.LA).any()
    assert (cases.targets == Structure.LA).any()


def test_the_oracle_ignores_the_pixels_of_hidden_labels(small_study):
    """Hidden atria are ignored pixels, not background, and unannotated; all other pixels stay (decision 33b)."""
    cases = load(small_study)
    loses = draw_unlabelled_cases(
        cases.table, [{"structure": "LA", "dataset": "first", "share": 1.0}], FOREGROUND, study_seed=1
    )
    oracle, without = (hide_labels(cases, loses, ignore=ignore) for ignore in (True, False))
    of_hidden = torch.from_numpy(loses[:, 3])[:, None, None] & (cases.targets == Structure.LA)
    assert of_hidden.any()
    assert torch.equal(oracle.targets == IGNORED, of_hidden)
    assert torch.equal(oracle.targets[~of_hidden], cases.targets[~of_hidden])
    assert torch.equal(oracle.annotated, without.annotated)


def test_augmentation_moves_ignored_pixels_with_the_heart(small_study):
    """Turned and scaled, an ignored atrium is still one: no new value, and nothing of it becomes background at once."""
    cases = load(small_study)
    loses = draw_unlabelled_cases(
        cases.table, [{"structure": "LA", "dataset": "first", "share": 1.0}], FOREGROUND, study_seed=1
    )
    oracle, full = (
        Batches(one, 24, AUGMENTATION, None, FOREGROUND, seed=2, whole_batches=True).draw()
        for one in (hide_labels(cases, loses, ignore=True), cases)
    )
    lost = torch.from_numpy(loses[full.rows, 3])[:, None, None]
    assert torch.equal(oracle.target == IGNORED, lost & (full.target == Structure.LA))
    assert (oracle.target == IGNORED).any()


def test_the_oracle_without_hidden_labels_is_refused(small_study):
    """An oracle that has nothing to know would be the adaptive loss under another name."""
    cases = load(small_study)
    with pytest.raises(ValueError, match=r"oracle .* no training case loses one"):
        hide_labels(cases, np.zeros((24, 4), bool), ignore=True)


def stream(study, n_batches, *, whole_batches, **changes):
    """The first batches of a stream, five cases each."""
    settings = {"augmentation": AUGMENTATION, "label_dropout": DROPOUT, "seed": 0, **changes}
    batches = Batches(load(study), 5, structures=FOREGROUND, whole_batches=whole_batches, **settings)
    return batches, [batches.draw() for _ in range(n_batches)]


def test_an_epoch_is_one_pass_over_the_union(small_study):
    """Every training case is seen once per pass, the last batch being smaller, in another order each time."""
    _, drawn = stream(small_study, 10, whole_batches=False)
    rows = [batch.rows for batch in drawn]
    for epoch in (rows[:5], rows[5:]):
        assert [len(part) for part in epoch] == [5, 5, 5, 5, 4]
        assert sorted(np.concatenate(epoch)) == list(range(24))
    assert not np.array_equal(np.concatenate(rows[:5]), np.concatenate(rows[5:]))


def test_whole_batches_go_on_in_the_next_pass(small_study):
    """Where steps count, every batch is full, and the stream is still one pass after the other."""
    _, drawn = stream(small_study, 24, whole_batches=True)
    assert {len(batch.rows) for batch in drawn} == {5}
    rows = np.concatenate([batch.rows for batch in drawn])
    passes = rows.reshape(5, 24)
    assert all(sorted(one) == list(range(24)) for one in passes)
    assert not np.array_equal(passes[0], passes[1])


def test_a_batch_may_be_larger_than_the_training_set(small_study):
    """Two passes and a part of a third fill a batch of 60 from 24 cases."""
    batches = Batches(load(small_study), 60, None, None, FOREGROUND, seed=0, whole_batches=True)
    assert np.bincount(batches.draw().rows).tolist().count(3) == 12


@pytest.mark.parametrize("whole_batches", [True, False])
def test_restored_draws_continue_with_the_next_batch(small_study, whole_batches):
    """Rows, augmentation and label dropout come out the same in a new process, also in the middle of a pass."""
    first, _ = stream(small_study, 3, whole_batches=whole_batches)
    second, _ = stream(small_study, 0, whole_batches=whole_batches)
    second.restore(json.loads(json.dumps(first.state())))
    for one, other in [(first.draw(), second.draw()) for _ in range(7)]:
        assert np.array_equal(one.rows, other.rows)
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.annotated, other.annotated)


def test_label_dropout_changes_neither_order_nor_images(small_study):
    """Trainings that differ in label dropout alone see the same images in the same order."""
    cases = load(small_study)
    without = Batches(cases, 5, AUGMENTATION, None, FOREGROUND, seed=3, whole_batches=False)
    with_dropout = Batches(cases, 5, AUGMENTATION, DROPOUT, FOREGROUND, seed=3, whole_batches=False)
    n_hidden = 0
    for one, other in [(without.draw(), with_dropout.draw()) for _ in range(5)]:
        assert torch.equal(one.image, other.image)
        n_hidden += int((one.annotated & ~other.annotated).sum())
        gone = ~other.annotated[:, 3]
        assert not (other.target[gone] == Structure.LA).any()
    assert 0 < n_hidden < 12


def test_dropout_of_a_fully_labelled_structure_is_refused(small_study):
    """Label dropout is for partially labelled structures; the message says how often it is annotated."""
    with pytest.raises(ValueError, match=r"Label dropout of LV: not partially labelled .*annotated in 24 of 24"):
        Batches(load(small_study), 5, None, {**DROPOUT, "structures": ["LV"]}, FOREGROUND, seed=0, whole_batches=True)


def test_pattern_dropout_draws_the_label_sets_of_the_data(small_study):
    """With probability 1, a pattern hides the atrium of about half of the cases that have it, and adds no label."""
    cases = load(small_study)
    pattern = {**DROPOUT, "mode": "pattern", "probability": 1.0}
    batches = Batches(cases, 24, None, pattern, FOREGROUND, seed=0, whole_batches=True)
    hidden = []
    for _ in range(60):
        batch = batches.draw()
        before = cases.annotated[batch.rows]
        assert not (batch.annotated & ~before).any()
        hidden.append((before & ~batch.annotated)[before[:, 3], 3].float().mean())
    assert 0.4 < float(torch.stack(hidden).mean()) < 0.6


def test_an_empty_part_is_refused(small_study):
    """No case in a part is an error that names the part and the folders."""
    patients = read_table(small_study.split, PATIENTS).assign(part="training")
    with pytest.raises(ValueError, match="No case in the test part"):
        load_cases([small_study.prepared("first")], patients, Part.TEST, FOREGROUND, 1, torch.device("cpu"))


def test_prepared_arrays_of_another_study_are_refused(small_study):
    """A network never learns a structure under another one's value, nor a colour picture as a grey one."""
    other = number_structures(["LVM", "LV", "LA"])
    with pytest.raises(ValueError, match=r"pixels\.json: 1 channels .*expected 1 channels and .*'LVM': 1"):
        load(small_study, structures=tuple(other))
    folders = [small_study.prepared("first")]
    patients = read_table(small_study.split, PATIENTS)
    with pytest.raises(ValueError, match="expected 3 channels"):
        load_cases(folders, patients, Part.TRAINING, FOREGROUND, 3, torch.device("cpu"))
