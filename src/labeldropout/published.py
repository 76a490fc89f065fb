"""What a study publishes: our own items beside the paper's, and the columns of every table with meaning and units."""

from collections.abc import Iterable

INSTRUMENT_ITEMS = ("controls", "dose_response", "losses", "architectures", "label_sets", "shortcut")
"""Figures and tables of our own experiments, as the column `shown_in` of the list names them."""


def is_of_the_study(shown_in: Iterable[str]) -> bool:
    """Whether a row of the list is part of the paper's study: not one that only our own experiments show."""
    items = set(shown_in)
    return not items or not items <= set(INSTRUMENT_ITEMS)


_DATA = {"data": "simulated or real"}

FIGURE_TABLE = {
    "model": "row of config/experiments.tsv",
    "train_on": "data sets whose training parts were used, joined by +",
    "loss": "loss of the training",
    "probability": "probability of label dropout; 0 without",
    "seed": "seed of the training, or all: means over seeds",
    "dataset": "data set whose test part is scored",
    "structure": "LV, LVM or LA; mean = mean over the structures of an image that have a Dice score",
    "dice_mean": "mean Dice over images; seed all: mean over seeds of those means",
    "dice_sd": "standard deviation (n - 1) over images; seed all: over the seeds' means, empty with one seed",
    "dice_median": "median over images; seed all: of the images' means over seeds, as are the four numbers that follow",
    "dice_q1": "first quartile",
    "dice_q3": "third quartile",
    "dice_whisker_low": "smallest Dice within 1.5 interquartile ranges below the first quartile",
    "dice_whisker_high": "largest Dice within 1.5 interquartile ranges above the third quartile",
    "dice_worst": "mean of the worst 5 %: of the lowest n / 20 scores, rounded up; seed all: of the means over seeds",
    "dice_low": "lower end of the 95 % interval of the mean, bootstrap over patients; seed all: of the images' means"
    " over seeds, so the interval speaks of other patients, not of other seeds",
    "dice_high": "upper end of that interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "dice_sd_patients": "standard deviation (n - 1) of the patients' means",
    "n": "images behind the mean",
    "n_patients": "patients behind the mean",
    "n_failures": "images with a Dice score below 0.5 (an empty prediction has 0); seed all: of the means over seeds",
    "n_both_empty": "images left out because reference and prediction are both empty",
    "reported": "the paper's mean; empty if it gives none",
    "reported_sd": "the paper's standard deviation; empty if it gives none",
    **_DATA,
}
"""`tables/figure_<n>.csv` behind figures 1, 3 and 4: one row per model, seed, data set and structure."""

INSTRUMENT_TABLE = {
    **FIGURE_TABLE,
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "severity": "domain shift of the simulated data sets that the model is trained and tested on; empty for real data",
    "study_severity": "the study's own domain shift, config severity; empty for real data",
    "network": "network of the model",
    "hidden": "labels hidden from the training part, as STRUCTURE@DATASET:SHARE joined by +; @any:DATASET: from all"
    " data sets alike, as many as DATASET has; empty if none",
    "dropout_mode": "mode of label dropout, single or pattern; empty without",
}
"""`tables/<item>.csv` of our own experiments: the columns behind a figure, and what sets the models apart."""

PANEL_TABLE = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "dataset": "data set of the case",
    "case": "our identifier of the case; drawn at random with the study's seed, never chosen by score",
    "structure": "LV, LVM or LA, where the case has a reference; else one row with an empty cell",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "dice": "Dice score of this model, seed, case and structure",
    "position": "row of the panel, from 0",
    **_DATA,
}
"""`tables/<item>.csv` behind figures with pictures."""

TESTS = {
    "family": "comparisons that Holm's correction takes together",
    "comparison": "what is compared, in words",
    "model_a": "row of config/experiments.tsv",
    "model_b": "the model whose gain over model_a is tested",
    "dataset": "data set whose test part is scored",
    "structure": "LV, LVM or LA; mean = mean over the structures of an image",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "unit": "what is paired: image (as the paper) or patient (means over a patient's images)",
    "n": "pairs tested",
    "n_patients": "patients behind the pairs",
    "n_left_out": "pairs without a Dice score under one of the models",
    "n_zero": "pairs with equal Dice after rounding to 1e-9",
    "mean_a": "mean Dice of model_a over the pairs (seeds averaged per image first)",
    "low_a": "lower end of the 95 % interval of mean_a, bootstrap over patients",
    "high_a": "upper end of that interval",
    "sd_a": "standard deviation (n - 1) of model_a over the pairs",
    "sd_patients_a": "standard deviation (n - 1) of model_a's patients' means",
    "median_a": "median of model_a over the pairs",
    "q1_a": "first quartile",
    "q3_a": "third quartile",
    "worst_a": "mean of the worst 5 % of model_a: of the lowest n / 20 scores, rounded up",
    "n_failures_a": "pairs in which model_a has a Dice score below 0.5 (an empty prediction has 0)",
    "mean_b": "mean Dice of model_b over the pairs",
    "low_b": "lower end of the 95 % interval of mean_b, bootstrap over patients",
    "high_b": "upper end of that interval",
    "sd_b": "standard deviation (n - 1) of model_b over the pairs",
    "sd_patients_b": "standard deviation (n - 1) of model_b's patients' means",
    "median_b": "median of model_b over the pairs",
    "q1_b": "first quartile",
    "q3_b": "third quartile",
    "worst_b": "mean of the worst 5 % of model_b: of the lowest n / 20 scores, rounded up",
    "n_failures_b": "pairs in which model_b has a Dice score below 0.5 (an empty prediction has 0)",
    "difference": "mean of model_b minus model_a over the pairs",
    "difference_sd": "standard deviation (n - 1) of the differences",
    "difference_median": "median of the differences",
    "difference_q1": "first quartile",
    "difference_q3": "third quartile",
    "difference_low": "lower end of the 95 % interval, bootstrap over patients",
    "difference_high": "upper end of that interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "seed_sd_a": "standard deviation of model_a's mean over seeds; empty with one seed",
    "seed_sd_b": "the same of model_b",
    "statistic": "Wilcoxon signed-rank statistic",
    "method": "exact or approx distribution, and how zero differences are treated",
    "p": "two-sided p value; empty if nothing could be tested",
    "p_holm": "the same after Holm's correction over the family, per unit",
    "family_size": "p values in the family",
    "rank_biserial": "matched-pairs rank-biserial correlation, -1 to 1; positive: model_b is better",
    "difference_sd_patients": "standard deviation (n - 1) of the patients' mean differences",
    "detectable_difference": "power note: the smallest true mean difference that a paired t test on as many patients,"
    " with this standard deviation, shows with 80 % power at 5 % two-sided and uncorrected; for n of 20 or more about"
    " 2.8 difference_sd_patients / sqrt(n_patients); empty without spread",
    "equivalence_margin": "Dice margin of no difference; empty where no equivalence is claimed",
    "equivalent": "yes if the 90 % interval lies within the margin, else no; empty where none is claimed",
    "reported": "what the paper says of it",
    **_DATA,
}
"""`tables/tests.csv`: one row per comparison, data set, structure and unit."""

TABLE_1 = {
    "dataset": "data set",
    "title": "its full name",
    "patients": "groups that no split divides: patients, videos or video codes",
    "images": "images used",
    "LV": "images in which it is labelled",
    "LVM": "images in which it is labelled",
    "LA": "images in which it is labelled",
    "views": "views of the images, joined by +",
    "training_patients": "groups in the training part",
    "training_images": "images in the training part",
    "validation_patients": "groups in the validation part",
    "validation_images": "images in the validation part",
    "test_patients": "groups in the test part",
    "test_images": "images in the test part",
    "reported_subjects": "the paper's number of subjects; - where it gives none",
    "reported_images": "the paper's number of images",
    "reported_structures": "the paper's structures, joined by +",
    "reported_views": "the paper's views, joined by +",
    **_DATA,
}
"""`tables/table_1.csv`: one row per data set."""

TABLE_2 = {
    "structure": "LV, LVM or LA",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "n": "images",
    "n_patients": "patients",
    "n_both_empty": "images left out because reference and prediction are both empty under one of the models",
    "adaptive": "mean Dice without label dropout; seeds averaged per image first",
    "adaptive_low": "lower end of the 95 % interval of that mean, bootstrap over patients",
    "adaptive_high": "upper end of that interval",
    "adaptive_median": "median over images",
    "adaptive_q1": "first quartile",
    "adaptive_q3": "third quartile",
    "adaptive_worst": "mean of the worst 5 %: of the lowest n / 20 scores, rounded up",
    "adaptive_n_failures": "images with a Dice score below 0.5 (an empty prediction has 0)",
    "adaptive_sd": "standard deviation (n - 1) over images",
    "adaptive_sd_patients": "standard deviation (n - 1) of the patients' means",
    "adaptive_seed_sd": "standard deviation (n - 1) of the seeds' means; empty with one seed",
    "label_dropout": "mean Dice with label dropout",
    "label_dropout_low": "lower end of the 95 % interval of that mean, bootstrap over patients",
    "label_dropout_high": "upper end of that interval",
    "label_dropout_median": "median over images",
    "label_dropout_q1": "first quartile",
    "label_dropout_q3": "third quartile",
    "label_dropout_worst": "mean of the worst 5 %: of the lowest n / 20 scores, rounded up",
    "label_dropout_n_failures": "images with a Dice score below 0.5 (an empty prediction has 0)",
    "label_dropout_sd": "standard deviation (n - 1) over images",
    "label_dropout_sd_patients": "standard deviation (n - 1) of the patients' means",
    "label_dropout_seed_sd": "standard deviation (n - 1) of the seeds' means; empty with one seed",
    "difference": "label_dropout minus adaptive",
    "difference_low": "lower end of the 95 % interval, bootstrap over patients",
    "difference_high": "upper end of that interval",
    "interval": "kind of bootstrap interval of the difference, with its number of draws and its seed",
    "difference_sd_patients": "standard deviation (n - 1) of the patients' mean differences",
    "detectable_difference": "power note, as in `tables/tests.csv`: smallest true mean difference that these patients"
    " show with 80 % power at 5 % two-sided",
    "relative_gain": "difference over adaptive; empty if that is 0",
    "p_image": "Wilcoxon signed-rank test per image, two-sided",
    "p_image_holm": "the same after Holm's correction over the three structures",
    "p_patient": "Wilcoxon signed-rank test on patient means, two-sided",
    "p_patient_holm": "the same after Holm's correction over the three structures",
    "method": "exact or approx distribution of the test per image, and how zero differences are treated",
    "rank_biserial": "matched-pairs rank-biserial correlation per image",
    "reported_adaptive": "the paper's mean without label dropout",
    "reported_label_dropout": "the paper's mean with label dropout",
    "reported_difference": "the paper's difference",
    "reported_relative_gain": "the paper's relative gain",
    **_DATA,
}
"""`tables/table_2.csv`: one row per structure."""

TRAINING_CURVES = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "epoch": "from 1",
    "dataset": "data set of the validation cell; all = mean over cells",
    "structure": "structure of the cell; all = mean over cells",
    "loss": "mean training loss per case",
    "learning_rate": "at the start of this epoch",
    "dice": "mean validation Dice on the network's grid",
    "best": "1 if this epoch is the best so far",
    **_DATA,
}
"""`tables/training_curves.csv`: the histories of all trainings, one row per training, epoch and validation cell."""

_MEASURE = {
    "measure": "what is measured and by which formula, such as lv_volume_biplane",
    "structure": "LV, LVM or LA",
    "views": "views behind it, joined by +; empty if unknown",
    "instant": "ED, ES, ED+ES for a fraction; empty if unknown",
    "unit": "ml, cm2 or percent; px where the size of a pixel is unknown",
}

BIOMARKERS = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training",
    "dataset": "data set of the patient",
    "patient": "our identifier of the patient, in the test part",
    **_MEASURE,
    "prediction": "from the predicted masks; an empty mask has area and volume 0; empty if undefined",
    "reference": "from the reference masks of the same images; empty where the structure is not annotated",
    "truth": "of the simulated heart in three dimensions; empty where unknown, and for areas",
    "implausible_prediction": "why no volume should be read from a predicted mask behind it, joined by ;",
    "implausible_reference": "the same of the reference masks",
    **_DATA,
}
"""`biomarkers/<model>.csv` and `tables/biomarkers_patients.csv`: one row per seed, patient and measure."""

BIOMARKER_AGREEMENT = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training, or all: means over seeds, the intervals those of one training",
    "dataset": "data set of the patients",
    **_MEASURE,
    "measured": "prediction, or reference: what the formula alone does to the annotator's masks of this model's images",
    "against": "reference (masks of the same images) or truth (the simulated heart in three dimensions)",
    "masks": "all, or plausible: patients with an implausible mask on either side left out (row only if there are any)",
    "n": "patients with a number on both sides; seed all: the smallest over seeds",
    "n_missing": "patients without a number on one side, such as a fraction of nothing; seed all: mean over seeds",
    "n_implausible": "patients with an implausible mask on either side; seed all: mean over seeds",
    "n_empty": "of these, patients with an empty mask; a patient may have several reasons",
    "n_too_small": "patients with a mask too small for any chamber",
    "n_several_components": "patients with a mask in several pieces, specks not counted",
    "n_cut_by_the_border": "patients with a mask that touches the edge of the image",
    "n_no_apex": "patients with a ventricle as wide as a chamber at its end nearer to the probe",
    "mean": "mean of what is held against, in the unit",
    "bias": "mean difference, measured minus against; seed all: empty if it is for one seed, like all that follow",
    "bias_low": "lower end of its 95 % interval",
    "bias_high": "upper end",
    "sd": "standard deviation (n - 1) of the differences",
    "limit_low": "lower limit of agreement, bias - 1.96 sd",
    "limit_low_low": "lower end of its 95 % interval",
    "limit_low_high": "upper end",
    "limit_high": "upper limit of agreement, bias + 1.96 sd",
    "limit_high_low": "lower end of its 95 % interval",
    "limit_high_high": "upper end",
    "mae": "mean absolute difference",
    "mae_low": "lower end of its 95 % interval",
    "mae_high": "upper end",
    "correlation": "Pearson correlation",
    "correlation_low": "lower end of its 95 % interval",
    "correlation_high": "upper end",
    "interval": "how the intervals are made",
    **_DATA,
}
"""`tables/biomarkers.csv`: one row per model, seed, data set, measure and comparison."""

CLAIMS = {
    "claim": "C1 to C13, as in config/claims.yaml",
    "statement": "what is claimed",
    "where": "who says it",
    "verdict": "of the claim: reproduced, not reproduced, not testable on these data",
    "kind": "rule: superior, equivalent, not_worse, below, agree, trend; mean and gain are shown, not judged",
    "comparison": "what is compared, in words",
    "models": "rows of config/experiments.tsv: sides separated by a semicolon, models averaged per image joined by +",
    "dataset": "data set whose test part is scored",
    "structure": "LV, LVM or LA; mean = mean over the structures of an image",
    "reference": "dataset, or observer for masks drawn on the annotation kit",
    "images": "all test images, or those of the annotation kit",
    "holds": "of the comparison: yes, no, not testable, shown",
    "why": "why it cannot be tested; else empty",
    "effect": "difference of mean Dice (superior, equivalent, not_worse), mean Dice (below, mean), largest difference"
    " of means (agree), growth of the difference per pair (trend), relative gain (gain)",
    "low": "lower end of the interval that the comparison is judged by, bootstrap over patients",
    "high": "upper end of that interval",
    "confidence": "coverage of that interval",
    "low_95": "lower end of the 95 % interval",
    "high_95": "upper end of the 95 % interval",
    "interval": "kind of bootstrap interval, with its number of draws and its seed",
    "bound": "margin or limit of the rule; empty where a p decides",
    "mean_better": "mean Dice of the first of two sides over the images",
    "mean_worse": "mean Dice of the second",
    "n_seeds_better": "seeds of the first of two sides of one model each; 0 for other comparisons",
    "n_seeds_worse": "of the second",
    "seed_sd_better": "standard deviation (n - 1) over seeds of the first side's mean Dice; empty with one seed",
    "seed_sd_worse": "of the second side's",
    "n": "images scored under all models of the comparison; seeds averaged per image first",
    "n_patients": "patients behind them",
    "n_left_out": "images without a Dice score under one of the models",
    "p_image": "Wilcoxon signed-rank test per image, two-sided, as the paper has it; not used for the verdict",
    "p_patient": "the same on patients' means",
    "p_holm": "p_patient after Holm's correction over the claim's comparisons that a p decides; else empty",
    "family_size": "p values in that family",
    "method": "distribution of the test on patients' means, and how zero differences are treated",
    "rank_biserial": "matched-pairs rank-biserial correlation of the patients' means, -1 to 1; positive: as claimed",
    "reported": "what the paper says of it",
    "target": "command that rebuilds what is judged",
    **_DATA,
}
"""`tables/claims.csv` and `tables/claims_instrument.csv`: one row per comparison."""

CLAIMS_TEXT = ("statement", "where", "why", "method", "interval", "reported", "data")
"""Columns of `CLAIMS` that are text even where all cells are empty."""

_METRIC = "{} of telling the domain: of one domain against the others; domain all: {}"

SHORTCUT = {
    "model": "row of config/experiments.tsv",
    "seed": "seed of the training, or all: means over seeds",
    "feature": "what the domain is told from: set (structures drawn), logits (mean centred log-probabilities at the"
    " pixels of a structure); share: no probe, only the share of images in which a structure is drawn",
    "structure": "whose pixels, or what is drawn; empty for the set",
    "domain": "data set to be told from the others, or all; one with too few patients for cross-validation is left out"
    " of a question: its rows have no numbers, nor has the row all where fewer than two are left",
    "balanced_accuracy": _METRIC.format("balanced accuracy", "mean recall"),
    "balanced_accuracy_low": "lower end of the 95 % interval, bootstrap over patients within domains, probe kept",
    "balanced_accuracy_high": "upper end",
    "balanced_accuracy_chance": "mean over permutations of the domains among patients, probe fitted anew",
    "balanced_accuracy_p": "share of permutations as good (the study's own counted in)",
    "auc": _METRIC.format("area under the ROC curve", "mean over domains"),
    "auc_low": "lower end of the 95 % interval",
    "auc_high": "upper end",
    "auc_chance": "mean over permutations",
    "auc_p": "share of permutations as good",
    "share_drawn": "share of the domain's images in which the structure is drawn (feature share)",
    "n": "test images of the domain, or of all that take part; for logits those where somebody knows where the"
    " structure is",
    "n_patients": "patients behind them; each counts once",
    **_DATA,
}
"""`probes/<model>.csv` and `tables/shortcut.csv`: one row per seed, feature, structure and domain."""
