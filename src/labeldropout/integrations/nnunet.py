"""Label dropout for nnU-Net v2, started by nnU-Net's own command; needs the extra `nnunet`.

`dataset.json` gets one extra key, `label_sets`: the annotated structures of every training case. nnU-Net looks for
trainers of others in the folders of the environment variable `nnUNet_extTrainer`; this prints ours:

    export nnUNet_extTrainer="$(python -m labeldropout.integrations.nnunet)"
    nnUNetv2_train 1 2d 0 -tr nnUNetTrainerLabelDropout
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.evaluation.evaluate_predictions import save_summary_json
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as _theirs  # noqa: N813 - a module
from torch import Tensor

from labeldropout.label_sets import LabelSets
from labeldropout.losses import label_map
from labeldropout.modules import LabelDropout, Mode, PartialLabelLoss

TRAINERS = Path(__file__).resolve().with_name("nnunet_trainers")
"""The folder for `nnUNet_extTrainer`: one module, which has nothing but our trainer."""


class nnUNetTrainerLabelDropout(_theirs.nnUNetTrainer):  # noqa: N801 - nnU-Net names trainers so
    """nnU-Net's trainer with a loss for partial labels and label dropout.

    Everything else is nnU-Net's: plans, augmentation, optimiser, inference. What nobody drew is left out of the
    pseudo-Dice of the log and of `validation/summary.json`, where it is NaN. Regions are refused: a region that is
    annotated in part has no meaning here.
    """

    dropout_probability = 0.5
    """Probability that a case of a batch loses an annotation; derive a trainer with another value."""
    dropout_mode: Mode = "single"
    """`single` or `pattern`, as in `LabelDropout`."""
    dropout_seed = 0
    loss_kind = "marginal"
    """A softmax loss of `PartialLabelLoss`; nnU-Net's inference reads logits with a softmax over all channels."""
    dice_weight = 1.0
    """Weight of the Dice term beside the cross-entropy; nnU-Net's own loss has 1."""

    def initialize(self) -> None:
        """Read the label sets, then do as nnU-Net does.

        Raises:
            ValueError: dataset.json has no label sets, or not for every case.
        """
        if self.loss_kind == "adaptive_bce":
            raise ValueError("loss_kind: expected a softmax loss, as nnU-Net's inference uses one, found adaptive_bce.")
        self.label_sets = LabelSets.from_nnunet(Path(self.preprocessed_dataset_folder_base) / "dataset.json")
        super().initialize()

    def _build_loss(self) -> Any:
        weights = None
        if self.enable_deep_supervision:
            weights = np.array([0.5**scale for scale in range(len(self._get_deep_supervision_scales()))])
            # As in nnU-Net: the lowest resolution is left out, but for processes that must use every parameter.
            weights[-1] = 1e-6 if self.is_ddp and not self._do_i_compile() else 0
            weights = (weights / weights.sum()).tolist()
        criterion = PartialLabelLoss(self.loss_kind, self.dice_weight, self.label_manager.ignore_label, weights)

        def loss(output: Any, target: Any) -> Tensor:
            if not torch.is_grad_enabled():  # validation: nnU-Net's step keeps the output to itself
                full = (output[0], target[0]) if isinstance(target, list) else (output, target)
                self._known_counts = _counts(full[0].argmax(1), full[1], self._annotated, criterion.ignore_index)
            return criterion(output, target, self._annotated)

        return loss

    def on_train_start(self) -> None:
        """Take note of what is partially labelled in the training cases of this fold."""
        super().on_train_start()
        training, validation = self.do_split()
        self.label_sets(validation)  # refuses a case without a label set now, not after the first epoch
        self.label_dropout = LabelDropout(
            self.label_sets(training),
            self.dropout_probability,
            self.dropout_mode,
            self.dropout_seed,
            ignore_index=self.label_manager.ignore_label,
        )

    def on_train_epoch_start(self) -> None:
        """Continue the draws where a training that is continued (`--c`) stopped."""
        super().on_train_epoch_start()
        self.label_dropout.n_calls = self.current_epoch * self.num_iterations_per_epoch

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """nnU-Net's step on a batch from which annotations were hidden."""
        target, self._annotated = self.label_dropout(batch["target"], self.label_sets(batch["keys"]))
        return super().train_step({**batch, "target": target})

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """nnU-Net's step, with counts for its pseudo-Dice of what was annotated alone."""
        self._annotated = self.label_sets(batch["keys"])
        step = super().validation_step(batch)
        return {**step, **dict(zip(("tp_hard", "fp_hard", "fn_hard"), self._known_counts, strict=True))}

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """nnU-Net's validation; what was not annotated is NaN in `summary.json`, and in no mean."""
        with _unknown_left_out(self.label_sets, self.dataset_json["file_ending"]):
            super().perform_actual_validation(save_probabilities)


def _counts(
    prediction: Tensor, target: Tensor, annotated: Tensor, ignore_label: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, false positives and false negatives of every foreground structure, in annotated cases alone."""
    shown = label_map(target, "target", prediction.ndim)
    is_counted = torch.ones_like(shown, dtype=torch.bool) if ignore_label is None else shown != ignore_label
    counts = []
    for structure in range(1, annotated.shape[1]):
        is_known = annotated[:, structure].to(shown.device).view(-1, *[1] * (shown.ndim - 1)) & is_counted
        both = [(each == structure) & is_known for each in (prediction, shown)]
        n_both = int((both[0] & both[1]).sum())
        counts.append((n_both, int(both[0].sum()) - n_both, int(both[1].sum()) - n_both))
    positive, false_positive, false_negative = np.array(counts, np.float64).T
    return positive, false_positive, false_negative


@contextmanager
def _unknown_left_out(label_sets: LabelSets, file_ending: str) -> Iterator[None]:
    """Let nnU-Net's validation score what was annotated alone, while this lasts."""
    original = _theirs.compute_metrics_on_folder

    def known(folder_ref: str, folder_pred: str, output_file: str, *more: Any, **named: Any) -> dict[str, Any]:
        summary = original(folder_ref, folder_pred, None, *more, **named)
        leave_out_unknown(summary, label_sets, file_ending)
        save_summary_json(summary, output_file)
        return summary

    _theirs.compute_metrics_on_folder = known
    try:
        yield
    finally:
        _theirs.compute_metrics_on_folder = original


def leave_out_unknown(summary: dict[str, Any], label_sets: LabelSets, file_ending: str) -> None:
    """Make every metric of a structure NaN in cases that do not have it annotated, and take the means of the rest.

    Args:
        summary: nnU-Net's, as in `summary.json`; changed in place.
        label_sets: Who has what.
        file_ending: Of the predictions, whose names are those of the cases.
    """
    for case in summary["metric_per_case"]:
        key = Path(case["prediction_file"]).name.removesuffix(file_ending)
        annotated = label_sets([key])[0]
        for label, metrics in case["metrics"].items():
            if not annotated[int(label)]:
                metrics.update(dict.fromkeys(metrics, float("nan")))
    for label, means in summary["mean"].items():
        for metric in means:
            means[metric] = _mean([case["metrics"][label][metric] for case in summary["metric_per_case"]])
    foreground = [means for label, means in summary["mean"].items() if int(label)]
    for metric in summary["foreground_mean"]:
        summary["foreground_mean"][metric] = _mean([means[metric] for means in foreground])


def _mean(values: list[float | int]) -> float:
    """The mean of what is not NaN; NaN if there is nothing."""
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")


if __name__ == "__main__":
    print(TRAINERS)  # noqa: T201 - what the shell puts into nnUNet_extTrainer
