"""The probe finds a domain that is given away, and none that is not."""

import tracemalloc

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from labeldropout.analysis.shortcut import domain_probe
from labeldropout.analysis.shortcut.domain_probe import (
    cross_validate,
    draw_folds,
    fit_and_apply,
    large_enough,
    log_odds,
    permute_domains,
    presence,
    read_out,
    resample_within,
)

DOMAINS = np.repeat([0, 1, 2], [40, 20, 30])
PATIENTS = np.array([f"{domain}-{index // 2}" for index, domain in enumerate(DOMAINS)])


def asked(features, domains=DOMAINS, patients=PATIENTS, seed=0):
    """Balanced accuracy and area of a cross-validated probe: of each domain, and of all."""
    folds = draw_folds(domains, patients, np.random.default_rng(seed))
    readout = read_out(cross_validate(features, domains, folds), domains, patients)
    found = readout.metrics(np.ones((1, len(readout.patient_domains))))
    return found["accuracy"][0], found["auc"][0]


def test_a_structure_drawn_in_one_domain_only_gives_it_away():
    """That domain is told with an area of 1; the other two stay alike."""
    accuracy, auc = asked(np.stack([np.ones(90), DOMAINS == 0], axis=1).astype(float))
    assert accuracy[0] == auc[0] == 1
    assert accuracy[3] == pytest.approx(2 / 3, abs=0.01)
    assert auc[1] < 1


def test_a_structure_drawn_everywhere_gives_nothing_away():
    """Constant features: one half of the area, one third of the domains, exactly."""
    accuracy, auc = asked(np.ones((90, 3)))
    assert auc == pytest.approx(0.5)
    assert accuracy == pytest.approx([0.5, 0.5, 0.5, 1 / 3])


def test_noise_is_found_out_as_chance():
    """Over repeated noise the mean area is one half: no image is judged by a probe that knows its patient."""
    rng = np.random.default_rng(0)
    found = [asked(rng.standard_normal((90, 4)), seed=repeat)[1][3] for repeat in range(30)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)


def test_what_only_patients_share_is_no_domain():
    """Features that name the patient and not the domain are worth nothing, for patients are never in two folds."""
    rng = np.random.default_rng(1)
    _, patient = np.unique(PATIENTS, return_inverse=True)
    found = [asked(rng.standard_normal((45, 4))[patient], seed=repeat)[1][3] for repeat in range(30)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.04)


def test_posteriors_are_those_of_a_linear_discriminant(monkeypatch):
    """Without the ridge and with domains of one size the probe is scikit-learn's."""
    monkeypatch.setattr(domain_probe, "RIDGE", 0.0)
    rng = np.random.default_rng(2)
    domains = np.repeat([0, 1, 2], 25)
    features = rng.standard_normal((75, 3)) + domains[:, None]
    reference = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(features, domains)
    found = fit_and_apply(features, domains, features, 3)
    assert found == pytest.approx(reference.predict_proba(features), abs=2e-6)


def test_metrics_are_those_of_scikit_learn():
    """With one image per patient: balanced accuracy, and the area of each domain against the others."""
    rng = np.random.default_rng(3)
    posterior = rng.dirichlet([1, 1, 1], 90).round(2)
    readout = read_out(posterior, DOMAINS, np.array([f"p{index:02d}" for index in range(90)]))
    found = readout.metrics(np.ones((1, 90)))
    for domain in range(3):
        area = roc_auc_score(domain == DOMAINS, posterior[:, domain])
        assert found["auc"][0, domain] == pytest.approx(area)
    untied = posterior + np.array([0, 1e-9, 2e-9])
    whole = read_out(untied, DOMAINS, np.array([f"p{index:02d}" for index in range(90)])).metrics(np.ones((1, 90)))
    assert whole["accuracy"][0, 3] == pytest.approx(balanced_accuracy_score(DOMAINS, untied.argmax(1)))


def test_wins_are_shares_of_the_pairs_of_two_patients_images():
    """Counted by hand, for patients of one to four images in any order; ties are halves."""
    rng = np.random.default_rng(5)
    patients = rng.permutation(np.repeat(["a", "b", "c", "d"], [1, 2, 3, 4]))
    domains = np.isin(patients, ["b", "d"]).astype(int)
    posterior = rng.dirichlet([1, 1], 10).round(1)
    wins = read_out(posterior, domains, patients).wins
    for domain in range(2):
        for row, one in enumerate("abcd"):
            for column, other in enumerate("abcd"):
                mine, others = posterior[patients == one, domain], posterior[patients == other, domain]
                shares = [(left > right) + (left == right) / 2 for left in mine for right in others]
                assert wins[domain, row, column] == pytest.approx(np.mean(shares))


def test_a_patient_counts_once_however_many_images_there_are():
    """Copies of a patient's images change nothing."""
    rng = np.random.default_rng(4)
    posterior = rng.dirichlet([1, 1, 1], 90)
    more = np.r_[np.arange(90), [0, 1], [0, 1]]
    once, thrice = (
        read_out(posterior[kept], DOMAINS[kept], PATIENTS[kept]).metrics(np.ones((1, 45)))
        for kept in (np.arange(90), more)
    )
    assert once["auc"] == pytest.approx(thrice["auc"])
    assert once["accuracy"] == pytest.approx(thrice["accuracy"])


def test_folds_keep_patients_together_and_hold_every_domain():
    """No patient is in two folds, and every fold has patients of every domain."""
    folds = draw_folds(DOMAINS, PATIENTS, np.random.default_rng(0))
    assert all(len(set(folds[patient == PATIENTS])) == 1 for patient in PATIENTS)
    assert all(set(DOMAINS[folds == fold]) == {0, 1, 2} for fold in range(5))
    with pytest.raises(ValueError, match="4 patients in a domain"):
        draw_folds(DOMAINS[:8], PATIENTS[:8], np.random.default_rng(0))


def test_a_domain_needs_a_patient_for_every_fold():
    """Nine images of five patients are enough for five folds, eight of four patients are not."""
    kept = np.r_[np.arange(49), np.arange(60, 68)]
    assert [int(large_enough(DOMAINS, PATIENTS)[kept].sum()), len(kept)] == [57, 57]
    assert (large_enough(DOMAINS[kept], PATIENTS[kept]) == (DOMAINS[kept] < 2)).all()
    assert not large_enough(DOMAINS[kept], PATIENTS[kept], n_folds=21).any()


def test_permuted_and_resampled_patients_keep_the_numbers():
    """Permuting moves whole patients between domains; resampling keeps the number of each."""
    rng = np.random.default_rng(0)
    dealt = permute_domains(DOMAINS, PATIENTS, rng)
    assert all(len(set(dealt[patient == PATIENTS])) == 1 for patient in PATIENTS)
    assert list(np.bincount(dealt)) == list(np.bincount(DOMAINS))
    assert (dealt != DOMAINS).any()
    patient_domains = np.repeat([0, 1, 2], [20, 10, 15])
    counts = resample_within(patient_domains, 50, rng)
    assert (counts[:, :20].sum(1) == 20).all()
    assert (counts[:, 20:30].sum(1) == 10).all()
    assert counts.std() > 0.5


def test_features_of_answers_by_hand():
    """Logits come back from probabilities less their mean; a structure below the smallest share is not drawn."""
    logits = np.array([2.0, -1.0, 0.5])
    probability = np.broadcast_to(np.exp(logits) / np.exp(logits).sum(), (2, 4, 4, 3)).transpose(0, 3, 1, 2)
    masks = np.zeros((2, 4, 4), bool)
    masks[:, 1:3, 1:3] = True
    found = log_odds(probability.astype(np.float32), masks, 1e-12)
    assert found == pytest.approx(np.stack([logits - logits.mean()] * 2), abs=1e-5)
    labels = np.zeros((1, 10, 10), int)
    labels[0, 0, :2], labels[0, 5] = 1, 3
    assert presence(labels, [1, 2, 3], 0.05).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_features_one_image_at_a_time_are_those_of_all_at_once(order):
    """Bit for bit, in both layouts of memory that networks answer in."""
    rng = np.random.default_rng(0)
    drawn = rng.dirichlet([0.2] * 4, (6, 9, 11)).astype(np.float32)
    probability = np.moveaxis(drawn, -1, 1)
    if order == "NCHW":
        probability = np.ascontiguousarray(probability)
    masks = rng.random((6, 9, 11)) < 0.3
    logits = np.log(np.maximum(probability.astype(np.float64), 1e-3))
    logits -= logits.mean(1, keepdims=True)
    expected = np.einsum("nchw,nhw->nc", logits, masks) / masks.sum((1, 2))[:, None]
    assert (log_odds(probability, masks, 1e-3) == expected).all()


def test_log_odds_need_no_copy_of_all_images():
    """The peak of memory is below what came in: a test part of the real data in double precision would not fit."""
    probability = np.full((64, 4, 32, 32), 0.25, np.float32)
    masks = np.ones((64, 32, 32), bool)
    tracemalloc.start()
    log_odds(probability, masks, 1e-12)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < probability.nbytes / 2
