"""What each figure shows, in one plain sentence, for readers who cannot see it; without a result."""

ALTERNATIVE_TEXTS = {
    "figure_1": (
        "Box plots of the Dice score of the left ventricular cavity for networks trained on one data set, in rows, and"
        " tested on each data set, in columns."
    ),
    "figure_2": (
        "Ultrasound images of one test case per data set, in rows, with the outlines of the reference and of three"
        " models trained on all data sets together: standard loss with augmentation, adaptive loss without and with it."
    ),
    "figure_3": (
        "Box plots of the Dice score per structure and over all of them for three models of one data set in which the"
        " myocardium was hidden in a share of the training cases: benchmark with all labels, standard loss and adaptive"
        " loss."
    ),
    "figure_4": (
        "On the left, the Dice score of the left atrium and of all structures over the probability of label dropout,"
        " from 0 to 100 percent, with the benchmark as a line; on the right, test images with the outlines predicted"
        " without and with label dropout."
    ),
    "figure_5": (
        "Ultrasound images of one test case per data set, in rows, with the outlines of the reference and of two models"
        " trained on all data sets together, without and with label dropout."
    ),
    "supplementary_figure_1": (
        "EchoNet-Dynamic images on which an observer drew all structures, in rows, with these outlines and those"
        " predicted without and with label dropout."
    ),
    "training_curves": (
        "One small panel per model with the validation Dice score and the training loss over the epochs, one line per"
        " seed, and a mark at the epoch whose weights were kept."
    ),
    "controls": (
        "Dice score of the left atrium in the data set where it was hidden, with 95 percent intervals and one dot per"
        " seed, for five ways to train: all labels, hidden in the whole data set without and with label dropout, the"
        " same number of labels hidden whatever the data set, and the other data set alone."
    ),
    "dose_response": (
        "Dice score of the left atrium over the severity of the domain shift, from 0 to 1, as one line with standard"
        " deviations over seeds for each of all labels, adaptive loss, adaptive loss with label dropout and marginal"
        " loss; a vertical line marks the severity of the study."
    ),
    "losses": (
        "Dice score of the hidden structures for five losses, each without label dropout and with its two modes, in"
        " panels by whether the labels are missing across domains or within one and by how many structures are missing;"
        " a vertical line marks the benchmark with all labels."
    ),
    "architectures": (
        "Dice score of the left atrium in the data set where it was hidden for a U-Net, an attention U-Net and a"
        " SwinUNETR, one panel each, trained with all labels, without label dropout and with it."
    ),
    "label_sets": (
        "Dice score on EchoNet-Dynamic images of the left ventricle, the myocardium and the left atrium, one panel"
        " each, for five ways to train on three data sets of which this one labels the ventricle only: standard loss,"
        " adaptive loss, adaptive loss with either mode of label dropout, and marginal loss."
    ),
    "claims": (
        "One block per claim of the paper with its statement and verdict, and below it every comparison that tests it:"
        " the difference or mean of the Dice score with its interval, and the range in which it had to lie."
    ),
    "claims_instrument": (
        "One block per claim that our own experiments test with its statement and verdict, and below it every"
        " comparison: the difference or mean of the Dice score with its interval, and the range in which it had to lie."
    ),
    "biomarkers": (
        "Bland-Altman plots: predicted minus reference ejection fraction and left ventricular volume, over the"
        " reference, and predicted minus true atrial emptying fraction, over the truth; one row per measure and data"
        " set, one column per model that was tested on all data sets (the other models are in the table), with bias and"
        " limits of agreement as lines; patients with implausible masks are hollow."
    ),
    "shortcut": (
        "Area under the ROC curve of a linear probe that tells each data set from the others, one panel per data set"
        " and one row per model, from the set of structures drawn and from the logits at the pixels of the left"
        " ventricle, the myocardium and the left atrium, with 95 percent intervals and the chance level."
    ),
}
"""By figure, as the command line names it."""
