"""Which code a rule runs, where that depends on what it is asked for: a model, a data set, a figure or a table.

Each answer is a fingerprint. It leaves out what the job does not run: of the losses all but the model's own, of the
figures all but the one that is drawn. Rules that always run the same code ask `fingerprint` themselves.
"""

from labeldropout.fingerprint import fingerprint
from labeldropout.learning.experiments import code_choices
from labeldropout.running.study_plan import StudyPlan


class RuleCode:
    """Fingerprints for the rules of one study; arguments are named after the wildcards of the rules."""

    def __init__(self, study: StudyPlan) -> None:
        self._study = study

    def simulator(self, dataset: str) -> str:
        """What simulates a data set; the simulations of the others are left out."""
        return fingerprint("data.simulate:simulate", choices={"DATASETS": [f"{dataset}.simulate"]})

    def importer(self, dataset: str) -> str:
        """What imports a data set; the importers of the others are left out."""
        fields = ("options", "read_cases", "propose_curation", "curation_keys")
        return fingerprint(
            "data.import_dataset:import_dataset", choices={"DATASETS": [f"{dataset}.{field}" for field in fields]}
        )

    def splitter(self) -> str:
        """What divides the data sets of this study."""
        return fingerprint("data.split:split", choices={"DATASETS": self._study.datasets})

    def _of_model(self, model: str, *entries: str) -> str:
        row = self._study.experiments[model]
        return fingerprint(*entries, choices=code_choices(row.loss, row.network))

    def resolver(self, model: str) -> str:
        """What writes out the settings of a model."""
        return self._of_model(model, "learning.experiments:parse_row", "learning.resolve:resolve")

    def trainer(self, model: str) -> str:
        """What trains a model."""
        return self._of_model(model, "learning.train:train_model")

    def evaluator(self, model: str) -> str:
        """What predicts and scores the test sets of a model."""
        return self._of_model(model, "learning.evaluate:evaluate_model")

    def probe(self, model: str) -> str:
        """What tells the domain from the answers of a model."""
        return self._of_model(model, "analysis.shortcut.probe:probe_model")

    def figure(self, item: str) -> str:
        """What draws a figure; the other figures are left out."""
        return fingerprint("publication.figures.draw:draw_figure", choices={"FIGURES": [item]})

    def table(self, item: str) -> str:
        """What makes a table; the other tables are left out."""
        return fingerprint("analysis.compare:compare", choices={"TABLES": [item], "ITEMS": [item]})
