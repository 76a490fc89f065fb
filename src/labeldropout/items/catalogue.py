"""The catalogue: every figure and table that a study publishes, described once.

A figure of our own consists of its module in `publication/figures` (with its line in `draw.FIGURES`), its entry here,
its table and its test.
"""

from collections.abc import Iterable

from labeldropout.items.item import Item, Kind, Section, Whose

ITEMS: dict[str, Item] = {
    "figure_1": Item(
        name="figure_1",
        section=Section.PAPER,
        title="Figure 1: trained on one data set, tested on all",
        question="How well does a network that was trained on one data set segment the others?",
        caption="Dice of the structure that all segment. On the diagonal: the set that the network was trained on.",
        alternative="Box plots of the Dice score of one structure for networks trained on one data set,"
        " in rows, and tested on each data set, in columns.",
        numbers="Numbers of Figure 1: {structures}, trained and tested on each data set.",
        is_listed=True,
        is_summarised=True,
    ),
    "cross_domain": Item(
        name="cross_domain",
        section=Section.PAPER,
        title="Experiment 1 beside published losses across domains",
        question="Are the data sets of this study as far apart as real ones?",
        caption="Dice of that structure within and across domains, here and as published. The domains were"
        " not fitted to these numbers.",
        numbers="{structures} Dice lost on pictures of another domain, here and as published.",
        is_listed=True,
    ),
    "figure_2": Item(
        name="figure_2",
        section=Section.PAPER,
        title="Figure 2: three models trained on all data sets",
        question="What do networks draw that were trained on all data sets, each only partly labelled?",
        caption="Test cases drawn at random: standard loss, adaptive loss, adaptive loss with augmentation.",
        alternative="Images of one test case per data set, in rows, with the outlines of the reference and"
        " of three models trained on all data sets together: standard loss with augmentation, adaptive loss without and"
        " with it.",
        numbers="Cases of Figure 2: one test image per data set, drawn at random.",
        shows_pictures=True,
        is_listed=True,
    ),
    "figure_3": Item(
        name="figure_3",
        section=Section.PAPER,
        title="Figure 3: labels missing within one data set",
        question="Is the adaptive loss enough where labels are missing within one data set, without a domain shift?",
        caption="One structure is hidden in a share of the training cases of one data set, so that there is no domain"
        " shift.",
        alternative="Box plots of the Dice score per structure and over all of them for three models of one data set in"
        " which one structure was hidden in a share of the training cases: benchmark with all labels, standard loss"
        " and adaptive loss.",
        numbers="Numbers of Figure 3: trained on one data set with half of one label hidden.",
        is_listed=True,
        is_summarised=True,
    ),
    "figure_4": Item(
        name="figure_4",
        section=Section.PAPER,
        title="Figure 4: label dropout",
        question="Does label dropout recover a structure that is hidden in a whole data set, and how much dropout is"
        " best?",
        caption="One structure is hidden in a whole data set; Dice there over the probability of label dropout.",
        alternative="On the left, the Dice of the hidden structure and of all structures over the probability of label"
        " dropout, from 0 to 100 percent, with the benchmark as a line; on the right, test images with the outlines"
        " predicted without and with label dropout.",
        numbers="Numbers of Figure 4 (i): probabilities of label dropout; the CSV has every seed.",
        further_tables=("figure_4_cases",),
        shows_pictures=True,
        is_listed=True,
        is_summarised=True,
    ),
    "figure_5": Item(
        name="figure_5",
        section=Section.PAPER,
        title="Figure 5: label dropout with all data sets",
        question="What does label dropout change where all data sets are used?",
        caption="Test cases drawn at random, without and with label dropout.",
        alternative="Images of one test case per data set, in rows, with the outlines of the reference and"
        " of two models trained on all data sets together, without and with label dropout.",
        numbers="Cases of Figure 5: one test image per data set, drawn at random; the same as in Figure 2.",
        shows_pictures=True,
        is_listed=True,
    ),
    "supplementary_figure_1": Item(
        name="supplementary_figure_1",
        section=Section.PAPER,
        title="Supplementary Figure 1: the observer's images",
        question="How do predictions compare with what an observer drew on images that lack labels?",
        caption="Images on which an observer drew every structure, and the predictions without and with label dropout.",
        alternative="EchoNet-Dynamic images on which an observer drew all structures, in rows, with these outlines and"
        " those predicted without and with label dropout.",
        numbers="Cases of Supplementary Figure 1: drawn at random from the images on which the observer drew.",
        shows_pictures=True,
        needs_observer=True,
        is_listed=True,
    ),
    "controls": Item(
        name="controls",
        section=Section.OWN,
        title="Experiment 5: what would settle the explanation",
        question="Does the hidden structure come back when labels are hidden whatever the domain?",
        caption="The same data, loss and number of hidden labels, but hidden whatever the domain; an oracle that leaves"
        " out the hidden pixels; and one data set alone. Hidden whatever the domain also means that some labels are in"
        " the other domain, which the paper's set-up does not have.",
        alternative="Dice of the hidden structure in the data set where it was hidden, with 95 percent intervals and"
        " one dot per seed, for six ways to train: all labels, hidden in the whole data set without and with label"
        " dropout and with an oracle, as many labels hidden whatever the data set, and the other data set alone.",
        numbers="Experiment 5: label presence independent of the domain, and other controls.",
        is_listed=True,
    ),
    "decomposition": Item(
        name="decomposition",
        section=Section.OWN,
        title="Experiment 5: missing labels, or background in their place",
        question="How much of the Dice that is lost do the missing labels cost, and how much the background that stands"
        " in their place?",
        caption="From all labels to an oracle whose loss leaves out the pixels of the hidden structure, and from there"
        " to the adaptive loss; beside it the other data set alone.",
        alternative="On the left, the Dice of the hidden structure where it was hidden for all labels, the oracle, the"
        " adaptive loss and the other data set alone, with one dot per seed and bars from one to the next; on the"
        " right, the Dice lost to missing labels, to the background in their place and to the domain alone, with 95"
        " percent intervals.",
        numbers="Experiment 5: Dice lost where labels are hidden, in parts.",
        is_listed=True,
    ),
    "dose_response": Item(
        name="dose_response",
        section=Section.OWN,
        title="Experiment 6: dose and response",
        question="Does more of a shift between the domains cost more of the hidden structure?",
        caption="The hidden structure over the strength of the domain shift.",
        alternative="Dice of the hidden structure over the severity of the domain shift, from 0 to 1, as one line with"
        " standard deviations over seeds for each of all labels, adaptive loss, adaptive loss with label dropout and"
        " marginal loss; a vertical line marks the severity of the study.",
        numbers="Experiment 6: the same models at other shifts between the domains.",
        is_listed=True,
    ),
    "losses": Item(
        name="losses",
        section=Section.OWN,
        title="Experiment 7: losses for partial labels",
        question="Which loss for partial labels needs label dropout, and where?",
        caption="Each loss with and without label dropout; one or two structures missing, across domains and within"
        " one.",
        alternative="Dice of the hidden structures for five losses, each without label dropout and with its two"
        " modes, in panels by whether the labels are missing across domains or within one and by how many structures"
        " are missing; a vertical line marks the benchmark with all labels.",
        numbers="Experiment 7: losses for partial labels, with and without label dropout.",
        is_listed=True,
    ),
    "architectures": Item(
        name="architectures",
        section=Section.OWN,
        title="Experiment 8: other networks",
        question="Does label dropout help other networks too?",
        caption="Label dropout in other architectures.",
        alternative="Dice of the hidden structure in the data set where it was hidden for a U-Net, an attention U-Net"
        " and a SwinUNETR, one panel each, trained with all labels, without label dropout and with it.",
        numbers="Experiment 8: label dropout in other networks.",
        is_listed=True,
    ),
    "label_sets": Item(
        name="label_sets",
        section=Section.OWN,
        title="Experiment 4b again: several missing structures",
        question="Where a data set lacks several structures, what helps beside the paper's cure?",
        caption="Label dropout by label sets and the marginal loss beside the paper's cure.",
        alternative="Dice score on EchoNet-Dynamic images of the left ventricle, the myocardium and the left atrium,"
        " one panel each, for five ways to train on three data sets of which this one labels the ventricle only:"
        " standard loss, adaptive loss, adaptive loss with either mode of label dropout, and marginal loss.",
        numbers="Experiment 4b with other cures for several missing structures.",
        is_listed=True,
    ),
    "augmentation": Item(
        name="augmentation",
        section=Section.OWN,
        title="Experiment 10: augmentation in place of label dropout",
        question="How far does augmentation stand in for label dropout?",
        caption="Without augmentation, with nnU-Net's published default and with strong ranges on every image.",
        alternative="Dice of the hidden structure in the data set where it was hidden, one panel each for no, the"
        " published and strong augmentation, for five ways to train: all labels, adaptive loss without and with two"
        " probabilities of label dropout, and marginal loss.",
        numbers="Experiment 10: the same models without, with the published and with strong augmentation.",
        is_listed=True,
    ),
    "remedies": Item(
        name="remedies",
        section=Section.OWN,
        title="Every remedy, wherever labels are hidden",
        question="Does what helps in one place help where another structure or another data set lacks its labels?",
        caption="Each way to train beside the others, for every structure and data set that lacks labels.",
        alternative="Dice score of each hidden structure in the data set where it was hidden, one panel per place, with"
        " 95 percent intervals and one dot per seed, in rows by how the network was trained: all labels, losses for"
        " partial labels, label dropout, an oracle, labels hidden whatever the data set, the other data sets alone.",
        numbers="Every remedy for hidden labels, wherever they are hidden.",
        is_listed=True,
    ),
    "training_length": Item(
        name="training_length",
        section=Section.OWN,
        title="Dice after this study's length of training",
        question="What do the models of the longer study reach after this study's length of training?",
        caption="The models of the longer study, config/long.yaml, as trained in this one.",
        numbers="The models that the longer study trains as well.",
        is_listed=True,
    ),
    "long_short": Item(
        name="long_short",
        section=Section.OWN,
        title="A longer training: does the shortcut grow or fade?",
        question="Does a shortcut grow or fade with the length of training?",
        caption="The same models, trained anew for this study's optimisation steps and for those of the longer study.",
        alternative="Dice score of the structures that lack labels over the number of optimisation steps, one panel per"
        " data set and structure, with one line per model from the short to the long study, standard deviations over"
        " trainings and one thin line per seed.",
    ),
    "shortcut": Item(
        name="shortcut",
        section=Section.OWN,
        title="Experiment 9: a probe of the shortcut",
        question="Can the domain be told from what a model predicts?",
        caption="How well the domain can be told from what a model predicts, in images of one view.",
        alternative="Area under the ROC curve of a linear probe that tells each data set from the others, one panel per"
        " data set and one row per model, from which structures are drawn and from the logits at the pixels of the"
        " left ventricle, the myocardium and the left atrium in images of one view, with 95 percent intervals and the"
        " chance level.",
        is_listed=True,
    ),
    "table_1": Item(
        name="table_1",
        section=Section.PAPER,
        title="Table 1: the data sets",
        question="What data are there, and which structures are labelled in how many images?",
        caption="Images and patients by data set and part.",
        numbers="Table 1: images by data set; under {structures} the images in which it is labelled.",
        is_listed=True,
    ),
    "table_2": Item(
        name="table_2",
        section=Section.PAPER,
        title="Table 2: label dropout against the observer's masks",
        question="How much does label dropout gain on images that an observer labelled in full?",
        caption="Mean Dice without and with label dropout.",
        numbers="Table 2: mean Dice on the images of the annotation kit, without and with label dropout, the paper's"
        " numbers in brackets;",
        needs_observer=True,
        is_listed=True,
        is_summarised=True,
    ),
    "tests": Item(
        name="tests",
        section=Section.PAPER,
        title="The paper's tests, and more",
        question="Which differences between the paper's models are more than chance?",
        caption="Every paired test, per image as in the paper, and per patient.",
        numbers="Paired tests of the paper's experiments:",
        is_listed=True,
    ),
    "figure_4_cases": Item(
        name="figure_4_cases",
        section=Section.BEHIND,
        title="Figure 4: the cases shown",
        question="Which test images does Figure 4 show?",
        numbers="Cases of Figure 4 (ii): test images drawn at random, without label dropout and with",
        is_listed=True,
        made_with="figure_4",
    ),
    "released": Item(
        name="released",
        section=Section.BEHIND,
        title="Scores of the released model",
        question="How well does the model that comes with the package outline simulated hearts?",
        numbers="Scores of the released model on its study's test images.",
        is_listed=True,
    ),
    "tests_instrument": Item(
        name="tests_instrument",
        section=Section.OWN,
        title="Tests of our own experiments",
        question="Which differences between the models of our own experiments are more than chance?",
        caption="Every paired test of experiments 5 to 8, 10 and 4b.",
        numbers="Paired tests of our own experiments:",
    ),
    "biomarkers": Item(
        name="biomarkers",
        section=Section.BIOMARKERS,
        title="Biomarkers",
        question="How far are volumes and ejection fractions read off the masks from reference and truth?",
        caption="What clinicians read off the masks: predicted against reference, and the atrium against the truth.",
        alternative="Bland-Altman plots: predicted minus reference ejection fraction and left ventricular volume, over"
        " the reference, and predicted minus true atrial emptying fraction, over the truth; one row per measure and"
        " data set, one column per model that was tested on all data sets (the other models are in the table), with"
        " bias and limits of agreement as lines; patients with implausible masks are hollow.",
        further_tables=("biomarkers_patients",),
    ),
    "biomarkers_patients": Item(
        name="biomarkers_patients",
        section=Section.BIOMARKERS,
        title="Biomarkers of each patient",
        question="What was measured in each patient?",
        caption="Fractions and biplane volumes under the first training of each model.",
        made_with="biomarkers",
    ),
    "training_curves": Item(
        name="training_curves",
        section=Section.TRAINING,
        title="Training curves",
        question="Did every training come to its end, and does a hidden structure get lost on the way?",
        caption="Validation Dice of every data set and structure over the optimisation steps; what a model was not"
        " shown is drawn apart.",
        alternative="One small panel per model with the validation Dice score of every data set and structure over the"
        " optimisation steps, averaged over seeds; what a model was not shown is dashed in red, with a thin line per"
        " seed, and the title of a panel says if the model is not trained.",
        further_tables=("soundness",),
    ),
    "soundness": Item(
        name="soundness",
        section=Section.TRAINING,
        title="Trained or not",
        question="Which models were trained to their end, and which cell, value and limit speaks against it?",
        caption="Validation Dice against a limit that was fixed before any training, for the paper's experiments.",
    ),
    "soundness_instrument": Item(
        name="soundness_instrument",
        section=Section.TRAINING,
        title="Trained or not: all models of the list",
        question="Which models of our own experiments were trained to their end?",
        caption="The same rule for every row of the list; the limits are those of the paper's experiments.",
    ),
    "grid": Item(
        name="grid",
        section=Section.TRAINING,
        title="Grid search",
        question="Which initial learning rate and batch size serve all models?",
        caption="Initial learning rates and batch sizes that were tried; one pair serves all.",
    ),
    "claims": Item(
        name="claims",
        section=Section.CLAIMS,
        title="The claims at a glance",
        question="Which of the paper's claims are reproduced?",
        alternative="One block per claim of the paper with its statement and verdict, and below it every comparison"
        " that tests it: the difference or mean of the Dice score with its interval, and the range in which it had to"
        " lie.",
    ),
    "claims_instrument": Item(
        name="claims_instrument",
        section=Section.OWN_CLAIMS,
        title="Our own claims",
        question="Which of the claims that our own experiments test hold?",
        alternative="One block per claim that our own experiments test with its statement and verdict, and below it"
        " every comparison: the difference or mean of the Dice score with its interval, and the range in which it had"
        " to lie.",
    ),
}
"""By name. The keys are written out so that the code of one item can be told apart from the others'."""


def figures(*sections: Section) -> tuple[Item, ...]:
    """Return the figures of these sections, in the order of the catalogue; of all sections if none is given."""
    return tuple(one for one in ITEMS.values() if one.kind is Kind.FIGURE and one.section in (sections or Section))


def tables(*sections: Section) -> tuple[Item, ...]:
    """Return the items of these sections that are only tables; of all sections if none is given."""
    return tuple(one for one in ITEMS.values() if one.kind is Kind.TABLE and one.section in (sections or Section))


def listed(whose: Whose) -> tuple[str, ...]:
    """Return the names that the column `shown_in` of the list of experiments may hold."""
    return tuple(one.name for one in ITEMS.values() if one.is_listed and one.whose is whose)


def tables_of(figure: str) -> tuple[str, ...]:
    """Return the names of the tables that a figure is drawn from, its own first."""
    return ITEMS[figure].tables


def needs_observer(name: str) -> bool:
    """Whether an item needs the masks that an observer drew."""
    return ITEMS[name].needs_observer


INSTRUMENT_ITEMS = listed(Whose.INSTRUMENT)
"""Figures and tables of our own experiments, as the column `shown_in` of the list names them."""

LEDGERS = {one.name: one.whose.value for one in figures(Section.CLAIMS, Section.OWN_CLAIMS)}
"""Tables of claims, and whose claims each judges."""


def is_of_the_study(shown_in: Iterable[str]) -> bool:
    """Whether a row of the list is part of the paper's study, rather than shown only by our own experiments."""
    items = set(shown_in)
    return not items or not items <= set(INSTRUMENT_ITEMS)
