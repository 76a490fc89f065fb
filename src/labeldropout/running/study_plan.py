"""What a study consists of: models and seeds, trees of data, figures and tables, and the files that lead to each.

The rules of the workflow and `labeldropout plan` use the same `StudyPlan`. It computes and writes nothing; on disc it
only checks which folders exist. Parsing the Snakefile imports this module, so it imports nothing heavy.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labeldropout.heart import FOREGROUND
from labeldropout.items import INSTRUMENT_ITEMS, ITEMS, LEDGERS, Kind, Section, Whose, figures, is_of_the_study
from labeldropout.labels import values_of
from labeldropout.learning.duration import check_duration
from labeldropout.learning.experiments import order_of_the_paper, parse_row
from labeldropout.running.data_sets import FOLDER, HOW_TO_DRAW, channels_of, formats_of, not_there, structures_of_study
from labeldropout.running.flags import as_json, yes_or_no
from labeldropout.running.other_studies import grid_of_another

PAPER_FIGURES = tuple(item.name for item in figures(Section.PAPER))
PAPER_ITEMS, COMPARED_ITEMS = (
    tuple(item.name for item in ITEMS.values() if item.is_compared and item.whose is whose) for whose in Whose
)
"""Tables that `compare` makes: of the paper's experiments, and of our own."""
BIOMARKER_EXPERIMENTS = ("2", "4", "4b")
BIOMARKER_ITEMS = ("figure_3", "figure_5", "controls", "label_sets")
"""Volumes are measured for models shown in these items, and for those of these experiments, that segment all
structures."""
_ALWAYS_MADE = ("table_1", "tests")
"""Items that are made even if no row names them."""


class StudyPlan:
    """A configuration and its list of experiments, interpreted.

    Arguments of the methods are named after the wildcards of the rules: `model` is a row of the list, `item` a figure
    or a table, `tree` the folder below the results for data at a severity of their own (`severity-0.25/`, or empty).
    Paths begin with `<results>` or `<data>`, which Snakemake fills in.
    """

    def __init__(self, config: Mapping[str, Any], rows: Sequence[Mapping[str, str]], root: Path = Path()) -> None:
        """Interpret a study.

        Args:
            config: The whole configuration.
            rows: Rows of the list of experiments, from `read_list`; their order does not matter.
            root: Folder of the workflow, to which paths in the configuration are relative.

        Raises:
            ValueError: A row is not valid, or the configuration or the list names something that does not exist.
        """
        self.config = config
        self.root = root
        self.results: str = config["pathvars"]["results"]
        self.data: str = config["pathvars"]["data"].replace("<results>", self.results)
        """Where data are, from raw files to prepared arrays and splits: another study's results, or its own."""
        self.formats = formats_of(config["datasets"])
        known = tuple(self.formats)
        listed = {name for row in rows for column in ("train_on", "evaluated_on") for name in row[column].split("+")}
        used = [self.formats[name] for name in known if name in listed]
        self.structures = structures_of_study(config["structures"], used)
        """What the study segments, with the values in label maps."""
        parsed = [parse_row(dict(row), known, self.structures, config["experiments"]) for row in rows]
        # The shift between real data sets cannot be chosen.
        simulated = {name for name in known if self._raw(name) == "simulated"}
        parsed = [row for row in parsed if row.severity is None or simulated.issuperset(row.datasets)]
        self.experiments = {row.model: row for row in sorted(parsed, key=order_of_the_paper)}
        """The rows by model, in the order in which figures show them."""
        self._cells = {row["model"]: {key: cell for key, cell in row.items() if cell} for row in rows}
        named = set().union(*(row.datasets for row in parsed))
        self.datasets = [name for name in known if name in named]
        """Data sets of the configuration that a row uses."""
        self.simulated = [name for name in self.datasets if name in simulated]
        self.real = [name for name in self.datasets if name not in simulated]
        search = config["selection"]
        self.searched: str = search["model"]  # the row for which the grid is searched
        length = {"steps": search["steps"], "epochs": None} if search["steps"] else {}
        self.candidates = {
            f"lr-{rate:g}_batch-{batch}": {"learning_rate": rate, "batch_size": batch, **length}
            for rate in search["learning_rate"]
            for batch in search["batch_size"]
            if not search["taken_from"]
        }
        """What sets the candidates of the grid search apart from the study; none if another study made it."""
        self.trained_candidates = list(self.candidates) if len(self.candidates) > 1 else []
        """Candidates that are trained to be compared; a single one is chosen untrained."""
        drawn = config["kit"]["drawn"]
        kit = config["kit"]["dataset"]
        self.has_kit = any(kit in row.evaluated_on for row in parsed)
        """Whether a model is evaluated on the data set on which the observer draws: otherwise his masks have no use."""
        self.has_simulated_observer = self.has_kit and kit in self.simulated
        has_drawn = self.has_kit and bool(drawn and (root / drawn).is_dir())
        self.has_observer = self.has_simulated_observer or has_drawn
        self._list_items()
        self._check()

    def _list_items(self) -> None:
        """Find what is shown, and which models it shows."""
        rows = self.experiments.items()
        listed = {item for row in self.experiments.values() for item in row.shown_in} | set(_ALWAYS_MADE)
        observed = set() if self.has_observer else {item.name for item in ITEMS.values() if item.needs_observer}
        # A dose-response makes sense only where the severity can be chosen.
        has_doses = any(row.severity is not None for row in self.experiments.values())
        chosen = listed if has_doses else listed - {"dose_response"}
        self.listed = listed  # every item that a row names, and those that need no row
        self.shown = [item for item in PAPER_ITEMS if item in listed - observed]
        """The paper's tables, and the tables behind its figures, that this study makes."""
        self.paper_figures = [item for item in self.shown if item in PAPER_FIGURES]
        self.shows_pictures = self.config["pictures"] == "figures"
        """Whether figures may show pictures of the data; otherwise these are drawn apart, on request."""
        drawn = [item for item in self.paper_figures if self.shows_pictures or not ITEMS[item].is_of_pictures]
        self.shown_figures = [*drawn, "training_curves", "claims"]
        self.summarised = [item for item in self.shown if ITEMS[item].is_summarised]
        self.shown_compared = [item for item in COMPARED_ITEMS if item in chosen]  # our own, that this study makes
        self.instrument_tables = self.shown_compared + (["tests_instrument"] if self.shown_compared else [])
        self.instrument_figures = [item for item in self.shown_compared if ITEMS[item].kind is Kind.FIGURE]
        self.study_models = [model for model, row in rows if is_of_the_study(row.shown_in)]
        """Models of the paper's study; a row that only our own experiments show is part neither of it nor of `all`."""
        self.biomarker_models = [
            model
            for model, row in rows
            if (row.experiment in BIOMARKER_EXPERIMENTS or set(row.shown_in) & set(BIOMARKER_ITEMS))
            and {*FOREGROUND} <= {*row.structures}
            and FOLDER not in {self.formats[name] for name in row.evaluated_on}
        ]
        self.probed_models = [model for model, row in rows if "shortcut" in row.shown_in]
        self.trainings = [(model, seed) for model in self.study_models for seed in self.experiments[model].seeds]
        """(Model, seed) of every training of the paper's study."""

    def _check(self) -> None:
        check_duration(self.config["training"]["optimisation"])
        if self.searched not in self.experiments:
            raise ValueError(f"configuration: selection.model {self.searched!r} is not a row of the list.")
        if unknown := self.listed - set(known := [*PAPER_ITEMS, *INSTRUMENT_ITEMS]):
            raise ValueError(f"{self.config['experiments']}: shown_in names {sorted(unknown)} (expected {known}).")

    def _raw(self, dataset: str) -> str:
        return str(self.config["datasets"][dataset]["raw"])

    def is_simulated(self, names: Iterable[str]) -> bool:
        """Whether any of these data sets is simulated."""
        return bool(set(names) & set(self.simulated))

    @property
    def left_out(self) -> str:
        """What the list names but this study does not make, and how to change that; empty if nothing is left out."""
        return HOW_TO_DRAW if not self.has_observer and any(ITEMS[item].needs_observer for item in self.listed) else ""

    # Data -------------------------------------------------------------------------------------------------------------

    def _is_there(self, name: str) -> bool:
        """Whether a file of the data exists."""
        return (self.root / self.data / name).is_file()

    def raw_data(self, tree: str, dataset: str) -> str | list[str]:
        """The manifest of a simulated data set, or the user's folder of a real one.

        Empty if results come from elsewhere without raw data: an existing store is then used as it is.

        Raises:
            ValueError: The folder of a real data set is needed but missing; the message says how to get it.
        """
        raw = self._raw(dataset)
        if dataset in self.simulated:
            return f"<data>/{tree}raw/{dataset}/manifest.csv"
        if (self.root / raw).is_dir() or self._is_there(f"cases/{dataset}/cases.csv"):
            return raw
        if self._is_there(f"splits/{dataset}.csv"):
            return []
        raise ValueError(not_there(dataset, self.config["datasets"][dataset], self.formats[dataset]))

    def raw_folder(self, tree: str, dataset: str) -> str:
        """The folder that the importer reads."""
        return f"{self.data}/{tree}raw/{dataset}" if dataset in self.simulated else self._raw(dataset)

    def curation_list(self, dataset: str) -> str | list[str]:
        """The list of Unity images that take part; it names images of the real release, so a simulated one has none."""
        return self.config["curation"] if dataset == "unity" and dataset not in self.simulated else []

    def import_settings(self, dataset: str) -> list[str]:
        """Flags that say in which format a data set is stored, and the importer's options as JSON."""
        options = as_json(self.config["datasets"][dataset].get("options", {}))
        names = list(values_of(self.structures))
        return ["--format", self.formats[dataset], "--structures", *names, "--options", options]

    def simulation_settings(self, dataset: str) -> str:
        """The sizes of a simulated data set as JSON."""
        return as_json(self.config["datasets"][dataset]["simulate"])

    def severity_of(self, tree: str) -> str | float:
        """Domain shift of the data sets of a tree."""
        return tree.rstrip("/").removeprefix("severity-") or self.config["severity"]

    def tree_of(self, model: str) -> str:
        """Where the data of a model are below the results: in a separate tree if they have their own severity."""
        severity = self.experiments[model].severity
        return "" if severity in (None, self.config["severity"]) else f"severity-{severity:g}/"

    def data_of(self, model: str, kind: str, names: Iterable[str]) -> list[str]:
        """Tables of cases of one kind (stores, prepared arrays) of these data sets, as a model sees them."""
        return [f"<data>/{self.tree_of(model)}{kind}/{name}/cases.csv" for name in names]

    def cone_network(self, dataset: str) -> str | list[str]:
        """The cone network, if it finds the data set's cones."""
        by_network = self.config["datasets"][dataset]["cone"] == "network"
        return "<data>/cone_network/network.safetensors" if by_network else []

    def cone_method(self, dataset: str) -> list[str]:
        """Flags that say how the cones of a data set are found."""
        if not self.cone_network(dataset):
            return ["--method", self.config["datasets"][dataset]["cone"]]
        return ["--method", "network", "--network", f"{self.data}/cone_network"]

    def split_settings(self, dataset: str) -> str:
        """How a data set is divided, as JSON."""
        settings = self.config["split"]
        return as_json({**settings, "source": {dataset: settings["source"].get(dataset, "random")}})

    def native_root(self, dataset: str) -> str:
        """JSON of the data set's name and folder, if it is divided by its own official lists; otherwise empty JSON."""
        is_random = self.config["split"]["source"].get(dataset, "random") == "random"
        return as_json({} if is_random else {dataset: self.raw_folder("", dataset)})

    def drawn_masks(self) -> str:
        """The simulated observer's table, or the folder of the user's masks.

        Raises:
            ValueError: There is no observer.
        """
        if self.has_simulated_observer:
            return "<data>/annotation/drawn/drawn.csv"
        self._check_available("table_2")
        return str(self.config["kit"]["drawn"])

    def drawn_folder(self) -> str:
        """The folder of the drawn masks."""
        return f"{self.data}/annotation/drawn" if self.has_simulated_observer else str(self.config["kit"]["drawn"])

    # Models -----------------------------------------------------------------------------------------------------------

    def model_row(self, model: str) -> str:
        """The cells that determine a model's settings, as JSON; not where it is shown or how often it is trained."""
        cells = {key: cell for key, cell in self._cells[model].items() if key not in {"shown_in", "seeds"}}
        return as_json({**cells, "seeds": "0"})

    def model_settings(self, model: str) -> str:
        """What all models share, for the data sets of this one, as JSON."""
        return as_json(self._settings(model))

    def candidate_settings(self, candidate: str) -> str:
        """The same for a candidate of the grid search, with its own length in place of the study's if it has one."""
        settings = self._settings(self.searched)
        return as_json({**settings, "optimisation": {**settings["optimisation"], **self.candidates[candidate]}})

    def _settings(self, model: str) -> dict[str, Any]:
        names = sorted(self.experiments[model].datasets)
        return {
            **self.config["training"],
            "datasets": names,
            "structures": values_of(self.structures),
            "channels": channels_of(names, self.config["datasets"]),
            "crop_margin": self.config["crop_margin"],
            "grid_size": self.config["grid_size"],
            "simulated": self.is_simulated(names),
            "study_seed": self.config["seed"],
        }

    def selected(self) -> str:
        """The outcome of the grid search, this study's or that of the study from which it is taken."""
        other = self.config["selection"]["taken_from"]
        return grid_of_another(other, self.root) if other else "<results>/grid/selected.json"

    def candidate_values(self, candidate: str) -> str:
        """Initial learning rate and batch size of a candidate, and its length if it has its own, as JSON."""
        return as_json(self.candidates[candidate])

    def training_data(self, model: str) -> list[str]:
        """Prepared arrays of the data sets that the model is trained on."""
        return self.data_of(model, "prepared", self.experiments[model].train_on)

    def test_data(self, model: str) -> list[str]:
        """Prepared arrays of the data sets that the model is evaluated on."""
        return self.data_of(model, "prepared", self.experiments[model].evaluated_on)

    def training_splits(self, model: str) -> list[str]:
        """Parts of the patients of the data sets that the model is trained on."""
        return [f"<data>/splits/{name}.csv" for name in self.experiments[model].train_on]

    def test_splits(self, model: str) -> list[str]:
        """Parts of the patients of the data sets that the model is evaluated on."""
        return [f"<data>/splits/{name}.csv" for name in self.experiments[model].evaluated_on]

    def test_cases(self, model: str) -> list[str]:
        """Stores of the data sets that the model is evaluated on."""
        return self.data_of(model, "cases", self.experiments[model].evaluated_on)

    def _simulated_tests(self, model: str) -> list[str]:
        """The simulated data sets that the model is evaluated on."""
        return [name for name in self.experiments[model].evaluated_on if name in self.simulated]

    def true_hearts(self, model: str) -> list[str]:
        """Volumes of the simulated hearts that the model is evaluated on."""
        return [f"<data>/{self.tree_of(model)}truth/{name}/hearts.csv" for name in self._simulated_tests(model)]

    def true_masks(self, model: str) -> list[str]:
        """Stores of the simulator's masks of these hearts."""
        return self.data_of(model, "truth", self._simulated_tests(model))

    def segmented_structures(self, model: str) -> list[str]:
        """Names of what the model segments."""
        return list(values_of(self.experiments[model].structures))

    def observed_masks(self, model: str) -> list[str]:
        """The observer's masks, for models that are evaluated on the data set they were drawn on."""
        is_observed = self.has_observer and self.config["kit"]["dataset"] in self.experiments[model].evaluated_on
        return ["<data>/annotation/observed/cases.csv"] if is_observed else []

    def known_structures(self, model: str) -> list[str]:
        """Stores that show structures which a data set does not label: the truth, or the observer's masks."""
        observed = [] if self.has_simulated_observer else self.observed_masks(model)
        return [*self.true_masks(model), *observed]

    def probe_settings(self, model: str) -> str:
        """How a probe resamples, as JSON."""
        resampling = {key: self.config["statistics"][key] for key in ("draws", "seed")}
        return as_json({**resampling, "simulated": self.is_simulated(self.experiments[model].evaluated_on)})

    def model_simulated(self, model: str) -> str:
        """Whether a model's test data are simulated, in the words of the command line."""
        return yes_or_no(self.is_simulated(self.experiments[model].evaluated_on))

    def trained_seeds(self, model: str) -> list[str]:
        """The weights of every seed of a model."""
        return [f"<results>/models/{model}/seed-{seed}/weights.safetensors" for seed in self.experiments[model].seeds]

    def of_trainings(self, file: str) -> list[str]:
        """One file of every training of the paper's study."""
        return [f"<results>/models/{model}/seed-{seed}/{file}" for model, seed in self.trainings]

    def of_all_trainings(self, file: str) -> list[str]:
        """One file of every training of the list, our own experiments included."""
        folders = [f"<results>/models/{name}/seed-{n}" for name, row in self.experiments.items() for n in row.seeds]
        return [f"{folder}/{file}" for folder in folders]

    def surface_tolerance(self) -> str:
        """The tolerances of the surface Dice as JSON."""
        statistics = self.config["statistics"]
        return as_json({name: statistics[name] for name in ("surface_tolerance_mm", "surface_tolerance_px")})

    # Tables, figures and ledgers --------------------------------------------------------------------------------------

    def models_of(self, item: str) -> list[str]:
        """The models that an item shows.

        The tests compare all models of the paper's study, or all of the instrument's. The paper's claims are judged on
        the paper's models, ours on all models, because our own experiments compare with the paper's.
        """
        rows = self.experiments.items()
        if item == "tests" or LEDGERS.get(item) == "study":
            return self.study_models
        if item in LEDGERS:
            return list(self.experiments)
        if item == "tests_instrument":
            return [model for model, row in rows if set(row.shown_in) & set(self.shown_compared)]
        figure = item.removesuffix("_cases")  # a list of cases belongs to its figure
        return [model for model, row in rows if figure in row.shown_in]

    def _check_available(self, item: str) -> None:
        """Refuse an item that cannot be made in this study."""
        if ITEMS[item].needs_observer and not self.has_observer:
            raise ValueError(HOW_TO_DRAW)
        if item not in {*_ALWAYS_MADE, *LEDGERS} and not self.models_of(item):
            raise ValueError(f"{self.config['experiments']}: no row is shown in {item}.")

    def item_scores(self, item: str) -> list[str]:
        """Scores of the models that an item shows.

        Raises:
            ValueError: The item cannot be made in this study; the message says why.
        """
        self._check_available(item)
        return [f"<results>/scores/{model}.csv" for model in self.models_of(item)]

    def item_configs(self, item: str) -> list[str]:
        """Settings of the models that an item shows."""
        return [f"<results>/models/{model}/config.json" for model in self.models_of(item)]

    def item_seeds(self, item: str) -> list[str]:
        """Seeds of each of these models, in the words of the list."""
        return [",".join(map(str, self.experiments[model].seeds)) for model in self.models_of(item)]

    def hidden_in_item(self, item: str) -> list[str]:
        """The flag that says what is hidden from the models of a figure; of several, the first of the list."""
        hidden = next((cell for model in self.models_of(item) if (cell := self._cells[model].get("hidden"))), "")
        return ["--hidden", hidden] if hidden else []

    def item_shown_in(self, item: str) -> list[str]:
        """Everything that shows each of these models, in the words of the list."""
        return ["+".join(self.experiments[model].shown_in) for model in self.models_of(item)]

    def _datasets_of_item(self, item: str) -> list[str]:
        used = {name for model in self.models_of(item) for name in self.experiments[model].evaluated_on}
        return [name for name in self.datasets if name in used or item == "table_1"]

    def item_cases(self, item: str) -> list[str]:
        """Stores that an item counts: all for Table 1, otherwise those on which its models are evaluated."""
        return [f"<data>/cases/{name}/cases.csv" for name in self._datasets_of_item(item)]

    def item_splits(self, item: str) -> list[str]:
        """Parts of the patients of these data sets."""
        return [f"<data>/splits/{name}.csv" for name in self._datasets_of_item(item)]

    def ledger_part(self, ledger: str) -> str:
        """Whose claims a ledger judges."""
        return LEDGERS[ledger]

    def ledger_soundness(self, ledger: str) -> str:
        """Table of which of the models that a ledger judges are trained."""
        return f"<results>/tables/{'soundness' if LEDGERS[ledger] == 'study' else 'soundness_instrument'}.csv"

    def comparison_settings(self) -> str:
        """What the tables need to know about the study, as JSON."""
        return as_json(
            {
                "statistics": self.config["statistics"],
                "kit": {"images": self.config["kit"]["images"], "shown": self.config["kit"]["shown"]},
                "seed": self.config["seed"],
                "severity": self.config["severity"],
                "steps": self.config["training"]["optimisation"]["steps"],
                "simulated": self.is_simulated(self.datasets),
                "real": self.real,
                "unit": self._unit(),
                "datasets": list(self.formats),
                "structures": list(values_of(self.structures)),
            }
        )

    def _unit(self) -> str:
        """What intervals and tests draw: patients, or images if no data set has a group of them."""
        options = [self.config["datasets"][name].get("options", {}) for name in self.datasets]
        are_folders = all(self.formats[name] == FOLDER for name in self.datasets)
        return "images" if are_folders and not any(one.get("group") for one in options) else "patients"

    def study_simulated(self) -> str:
        """Whether titles must say that data are simulated, in the words of the command line."""
        return yes_or_no(self.is_simulated(self.datasets))

    def figure_tables(self, item: str) -> list[str]:
        """The tables behind a figure."""
        return [f"<results>/tables/{name}.csv" for name in ITEMS[item].tables]
