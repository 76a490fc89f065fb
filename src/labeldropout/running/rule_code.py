"""Which code a rule runs, where that depends on what is requested: a model, a data set, a figure or a table.

Each result is a fingerprint. It leaves out what the job does not run: all losses but the model's own, all figures but
the one that is drawn. Rules that always run the same code call `fingerprint` themselves.
"""

from labeldropout.fingerprint import fingerprint
from labeldropout.learning.experiments import code_choices
from labeldropout.running.study_plan import StudyPlan


class RuleCode:
    """Fingerprints for the rules of one study; arguments are named after the wildcards of the rules."""

    def __init__(self, study: StudyPlan) -> None:
        self._study = study
        formats = dict.fromkeys(study.formats[name] for name in study.datasets)
        self._facts = {"DATASETS": [f"{name}.facts" for name in formats]}
        """From the catalogue, the facts about the data sets of this study, not how they are read."""

    def simulator(self, dataset: str) -> str:
        """The code that simulates a data set, without the simulations of the others and other acquisitions."""
        settings = self._study.config["datasets"][dataset]["simulate"]
        acquisition = {"ACQUISITIONS": [settings["acquisition"]]} if "acquisition" in settings else {}
        return fingerprint("data.simulate:simulate", choices={"DATASETS": [f"{dataset}.simulate"], **acquisition})

    def importer(self, dataset: str) -> str:
        """The code that imports a data set, without the importers of the others."""
        fields = ("options", "read_cases", "propose_curation", "curation_keys")
        form = self._study.formats[dataset]
        return fingerprint(
            "data.import_dataset:import_dataset", choices={"DATASETS": [f"{form}.{field}" for field in fields]}
        )

    def splitter(self, dataset: str) -> str:
        """The code that divides a data set into parts, without the lists of the others."""
        fields = ("listed_parts", "fold_parts")
        form = self._study.formats[dataset]
        return fingerprint("data.split:split", choices={"DATASETS": [f"{form}.{field}" for field in fields]})

    def _of_model(self, model: str, entry: str) -> str:
        row = self._study.experiments[model]
        return fingerprint(entry, choices=code_choices(row.loss_function, row.network))

    def resolver(self) -> str:
        """The code that writes out the settings of any model."""
        return fingerprint("learning.experiments:parse_row", "learning.resolve:resolve")

    def trainer(self, model: str) -> str:
        """The code that trains a model."""
        return self._of_model(model, "cli.learning:train")

    def evaluator(self, model: str) -> str:
        """The code that predicts and scores the test sets of a model."""
        return self._of_model(model, "cli.learning:evaluate")

    def probe(self, model: str) -> str:
        """The code that tells the domain from the predictions of a model."""
        return self._of_model(model, "analysis.shortcut.probe:probe_model")

    def ledger(self) -> str:
        """The code that judges the claims."""
        return fingerprint("analysis.claims.judge:judge_claims", choices=self._facts)

    def figure(self, item: str) -> str:
        """The code that draws a figure, without the other figures."""
        return fingerprint(
            "publication.figures.draw:draw_figure", choices={"FIGURES": [item], "ITEMS": [item], **self._facts}
        )

    def table(self, item: str) -> str:
        """The code that makes a table, without the other tables."""
        return fingerprint("analysis.compare:compare", choices={"TABLES": [item], "ITEMS": [item], **self._facts})
