"""How well the domain of an image can be told from a network's output.

A linear probe (Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2016): a linear
discriminant with equal priors and a ridge, cross-validated over patients, with its chance level from permuted domains
(Ojala and Garriga, JMLR 11 (2010) 1833-1863).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

Features = Float[np.ndarray, "n f"]


Domains = Int[np.ndarray, " n"]


Posterior = Float[np.ndarray, "n k"]


Patients = Shaped[np.ndarray, " n"]


Folds = Int[np.ndarray, " n"]

FOLDS = 5


RIDGE = 0.01
"""Added to the variance of every feature, as a share of its variance over all images."""


DIGITS = 6
"""Decimals to which posteriors are rounded, so that equal images stay tied whatever the order of a sum."""


PERMUTATIONS = 200


def large_enough(domains: Domains, patients: Patients, n_folds: int = FOLDS) -> Bool[np.ndarray, " n"]:
    """Return which images are of a domain that folds can be drawn from: one with at least one patient per fold.

    Args:
        domains: Domain of every image.
        patients: The patient of every image.
        n_folds: Number of folds.
    """
    small = [name for name in np.unique(domains) if len(np.unique(patients[domains == name])) < n_folds]
    return ~np.isin(domains, small)


def draw_folds(domains: Domains, patients: Patients, rng: np.random.Generator, n_folds: int = FOLDS) -> Folds:
    """Assign all images of a patient to one fold, every domain spread over the folds.

    Args:
        domains: Domain of every image, from 0.
        patients: The patient of every image.
        rng: Source of randomness.
        n_folds: Number of folds.

    Returns:
        Fold of every image, from 0.

    Raises:
        ValueError: A domain has fewer patients than there are folds.
    """
    folds = np.zeros(len(domains), np.int64)
    for domain in np.unique(domains):
        names = rng.permutation(np.unique(patients[domains == domain]))
        if len(names) < n_folds:
            raise ValueError(f"{len(names)} patients in a domain (expected at least {n_folds}, one per fold).")
        for place, name in enumerate(names):
            folds[(patients == name) & (domains == domain)] = place % n_folds
    return folds


def fit_and_apply(
    train: Features, domains: Domains, test: Float[np.ndarray, "m f"], n_domains: int
) -> Float[np.ndarray, "m k"]:
    """Return the probability of every domain for test images, from a linear discriminant fitted to others.

    Features are scaled to unit variance over the training images (a constant one carries no information); the
    covariance within domains is pooled, every domain counting once, and has the ridge added; priors are equal.

    Args:
        train: Features of the images to fit to.
        domains: Their domains; every one of them occurs.
        test: Features of the images to judge.
        n_domains: Number of domains.
    """
    spread = train.std(0)
    scale = np.where(spread > 1e-9, 1 / np.maximum(spread, 1e-9), 0.0)
    train, test = (train - train.mean(0)) * scale, (test - train.mean(0)) * scale
    means = np.stack([train[domains == domain].mean(0) for domain in range(n_domains)])
    residuals = train - means[domains]
    within = np.mean(
        [
            residuals[domains == domain].T @ residuals[domains == domain] / (domains == domain).sum()
            for domain in range(n_domains)
        ],
        axis=0,
    ) + RIDGE * np.eye(train.shape[1])
    directions = np.linalg.solve(within, means.T)
    scores = test @ directions - 0.5 * np.einsum("kf,fk->k", means, directions)
    scores -= scores.max(1, keepdims=True)
    odds = np.exp(scores)
    return np.round(odds / odds.sum(1, keepdims=True), DIGITS)


def cross_validate(features: Features, domains: Domains, folds: Folds) -> Posterior:
    """Return the probability of every domain for every image, from a probe that has not seen its patient.

    Args:
        features: One row per image.
        domains: Domain of every image, from 0; each occurs in every fold.
        folds: From `draw_folds`.
    """
    n_domains = int(domains.max()) + 1
    found = np.zeros((len(domains), n_domains))
    for fold in np.unique(folds):
        held = folds == fold
        found[held] = fit_and_apply(features[~held], domains[~held], features[held], n_domains)
    return found


@dataclass(frozen=True)
class Readout:
    """The result of a probe, summed per patient, so that patients can be counted several times or not at all."""

    patient_domains: Int[np.ndarray, " p"]
    hits: Float[np.ndarray, "p k"]
    """Share of the patient's images that are assigned to each domain (ties are split)."""
    wins: Float[np.ndarray, "k p p"]
    """Share of image pairs in which the first patient's has the larger probability of the domain; ties count half."""

    def metrics(self, counts: Float[np.ndarray, "draws p"]) -> dict[str, Float[np.ndarray, "draws k1"]]:
        """Balanced accuracy and area under the ROC curve, for resampled patients.

        Args:
            counts: How often each patient counts; at least one of every domain in each row.

        Returns:
            `accuracy` and `auc`, each with one column per domain (against all others) and a last one for all of them:
            mean recall, and mean area.
        """
        n_domains = self.hits.shape[1]
        accuracies, areas, recalls = [], [], []
        for domain in range(n_domains):
            own = self.patient_domains == domain
            mine, others = counts * own, counts * ~own
            n_mine, n_others = mine.sum(1), others.sum(1)
            recall = mine @ self.hits[:, domain] / n_mine
            specificity = 1 - others @ self.hits[:, domain] / n_others
            recalls.append(recall)
            accuracies.append((recall + specificity) / 2)
            areas.append(np.einsum("dp,dp->d", mine @ self.wins[domain], others) / (n_mine * n_others))
        return {
            "accuracy": np.stack([*accuracies, np.mean(recalls, axis=0)], axis=1),
            "auc": np.stack([*areas, np.mean(areas, axis=0)], axis=1),
        }


def read_out(posterior: Posterior, domains: Domains, patients: Patients) -> Readout:
    """Return the outcome of a probe by patient; every patient counts once, however many images there are.

    Args:
        posterior: From `cross_validate`.
        domains: Domain of every image.
        patients: The patient of every image; a patient has one domain.
    """
    _, first, index = np.unique(patients, return_index=True, return_inverse=True)
    weight = np.zeros((len(first), len(domains)))
    weight[index, np.arange(len(domains))] = 1
    weight /= weight.sum(1, keepdims=True)
    best = posterior == posterior.max(1, keepdims=True)
    # Sums over runs of a patient's images instead of products with the weights, which take patients times more steps.
    order = np.argsort(index, kind="stable")
    n_images = np.bincount(index)
    starts = np.cumsum(n_images) - n_images
    wins = []
    for of_domain in posterior[order].T:
        pairs = (np.sign(of_domain[:, None] - of_domain[None, :]) + 1) / 2
        sums = np.add.reduceat(np.add.reduceat(pairs, starts, axis=0), starts, axis=1)
        wins.append(sums / np.outer(n_images, n_images))
    return Readout(domains[first], weight @ (best / best.sum(1, keepdims=True)), np.stack(wins))


def permute_domains(domains: Domains, patients: Patients, rng: np.random.Generator) -> Domains:
    """Return the domains permuted among the patients: whatever a probe then finds is chance.

    Args:
        domains: Domain of every image.
        patients: The patient of every image; a patient keeps one domain.
        rng: Source of randomness.
    """
    _, first, index = np.unique(patients, return_index=True, return_inverse=True)
    return rng.permutation(domains[first])[index]


def resample_within(patient_domains: Int[np.ndarray, " p"], draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw patients with replacement, as many of every domain as there are.

    Args:
        patient_domains: Domain of every patient.
        draws: Number of samples.
        rng: Source of randomness.

    Returns:
        float64 (draws, patients): how often each patient is in each sample.
    """
    counts = np.zeros((draws, len(patient_domains)))
    for domain in np.unique(patient_domains):
        places = np.flatnonzero(patient_domains == domain)
        drawn = rng.integers(0, len(places), (draws, len(places)))
        for column, place in enumerate(places):
            counts[:, place] = (drawn == column).sum(1)
    return counts


def log_odds(probability: Float[np.ndarray, "n c h w"], masks: Bool[np.ndarray, "n h w"], floor: float) -> Features:
    """Return the mean over a mask of the centred log-probabilities: softmax's logits, less their mean.

    Args:
        probability: Of every class at every pixel.
        masks: Pixels to average over; at least one in every image.
        floor: Smaller probabilities count as this.
    """
    found = np.zeros(probability.shape[:2])
    # One image at a time: in double precision the numbers take several times the memory of the input.
    for place, (of_image, mask) in enumerate(zip(probability, masks, strict=True)):
        logits = np.log(np.maximum(of_image.astype(np.float64), floor))
        logits -= logits.mean(0, keepdims=True)
        found[place] = np.einsum("chw,hw->c", logits, mask) / mask.sum()
    return found


def presence(labels: Int[np.ndarray, "n h w"], values: Sequence[int], smallest_share: float) -> Features:
    """Return 1 where a structure is drawn in an image, else 0; less than a share of the grid counts as not drawn.

    Args:
        labels: Label maps.
        values: Values of the structures.
        smallest_share: Of all pixels.
    """
    shares = [(labels == value).mean((1, 2)) for value in values]
    return np.stack([share >= smallest_share for share in shares], axis=1).astype(np.float64)
