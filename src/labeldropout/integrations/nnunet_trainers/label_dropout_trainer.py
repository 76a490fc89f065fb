"""Our trainer, where nnU-Net finds it by its name."""

from labeldropout.integrations.nnunet import nnUNetTrainerLabelDropout

__all__ = ["nnUNetTrainerLabelDropout"]
