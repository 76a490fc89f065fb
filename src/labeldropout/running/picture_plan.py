"""Which figures of a study show pictures of its data, what they are drawn from, and whether they may be passed on."""

from labeldropout.items import ITEMS
from labeldropout.running.study_plan import StudyPlan


class PicturePlan:
    """The pictures in the figures of a study; `item` is a figure."""

    def __init__(self, study: StudyPlan) -> None:
        self._study = study
        self.local_figures = [item for item in study.paper_figures if ITEMS[item].shows_pictures]
        """Figures that the study can draw with pictures, apart from those that are passed on."""

    def local_cases(self, item: str) -> list[str]:
        """Stores whose images a figure shows; the observer's masks come last."""
        if not ITEMS[item].shows_pictures:
            return []
        observed = ["<data>/annotation/observed/cases.csv"] if item == "supplementary_figure_1" else []
        return self._study.item_cases(item) + observed

    def local_predictions(self, item: str) -> list[str]:
        """Predictions that a figure shows."""
        models = self._study.models_of(item) if ITEMS[item].shows_pictures else []
        return [f"<results>/predictions/{model}.npz" for model in models]

    def figure_cases(self, item: str) -> list[str]:
        """The same stores, if pictures of the data may be among the study's figures."""
        return self.local_cases(item) if self._study.shows_pictures else []

    def figure_predictions(self, item: str) -> list[str]:
        """The same predictions, if pictures may be among the study's figures."""
        return self.local_predictions(item) if self._study.shows_pictures else []
