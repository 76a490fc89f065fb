"""The list of experiments, and the functions that rules ask for their inputs and parameters."""

import csv
import importlib
import json
import os

import yaml
from snakemake.logging import logger
from snakemake.utils import validate

from labeldropout.configuration import check_columns, check_keys
from labeldropout.learning.experiments import COLUMNS, LOSSES, code_choices, parse_row
from labeldropout.fingerprint import fingerprint
from labeldropout.items import INSTRUMENT_ITEMS, is_of_the_study


def stop_run(error):
    """End the parsing with one message."""
    raise WorkflowError(str(error)) from None


def in_order_of_the_paper(row):
    """By experiment, then from all labels to fewer and from no remedy to more: the columns of the panels."""
    loss = LOSSES.index(row.loss)
    return (
        row.experiment,
        bool(row.hidden),
        loss,
        row.augmentation,
        row.dropout_probability,
        row.model,
    )


def is_simulated_row(row):
    """Whether all data of a model are simulated: nobody can choose how far real data sets lie apart."""
    names = {*row.train_on, *row.evaluated_on}
    return all(config["datasets"][name]["raw"] == "simulated" for name in names)


def read_experiments(path):
    """The rows of the list by model: cells as they stand, and what they mean; their order in the file is nothing."""
    with open(path, newline="", encoding="utf-8") as table:
        reader = csv.DictReader(table, delimiter="\t")
        check_columns(reader.fieldnames or [], COLUMNS, path)
        cells = {row["model"]: row for row in reader}
        n_rows = reader.line_num - 1
    if len(cells) != n_rows:
        raise ValueError(f"{path}: {n_rows - len(cells)} rows repeat a model's name, or are empty.")
    datasets = tuple(config["datasets"])
    rows = [parse_row(row, datasets, path) for row in cells.values()]
    rows = [row for row in rows if row.severity is None or is_simulated_row(row)]
    return cells, {row.model: row for row in sorted(rows, key=in_order_of_the_paper)}


try:
    with open("workflow/schemas/config.schema.yaml", encoding="utf-8") as schema:
        check_keys(config, yaml.safe_load(schema), "configuration")
    validate(config, "../schemas/config.schema.yaml")
    ROWS, EXPERIMENTS = read_experiments(config["experiments"])
except (ValueError, OSError) as error:
    stop_run(error)

DATASETS = list(config["datasets"])
SIMULATED = [name for name in DATASETS if config["datasets"][name]["raw"] == "simulated"]
CANDIDATES = {
    f"lr-{rate:g}_batch-{batch}": {"learning_rate": rate, "batch_size": batch}
    for rate in config["selection"]["learning_rate"]
    for batch in config["selection"]["batch_size"]
}
HAS_SIMULATED_OBSERVER = config["kit"]["dataset"] in SIMULATED
HAS_OBSERVER = HAS_SIMULATED_OBSERVER or os.path.isdir(config["kit"]["drawn"] or "")
OBSERVED_ITEMS = ["table_2", "supplementary_figure_1"]
PICTURES = ["figure_2", "figure_4", "figure_5", "supplementary_figure_1"]
FIGURE_MODULES = {
    "figure_1": "figure_1",
    "figure_2": "panels",
    "figure_3": "figure_3",
    "figure_4": "figure_4",
    "figure_5": "panels",
    "supplementary_figure_1": "panels",
    "training_curves": "training_curves",
    "claims": "claims",
    "claims_instrument": "claims",
    "controls": "controls",
    "dose_response": "dose_response",
    "losses": "losses",
    "architectures": "architectures",
    "label_sets": "label_sets",
    "biomarkers": "biomarkers",
    "shortcut": "shortcut",
}
LEDGERS = {"claims": "study", "claims_instrument": "instrument"}
FIGURES = [
    item
    for item in FIGURE_MODULES
    if item not in {"training_curves", "biomarkers", *INSTRUMENT_ITEMS, *LEDGERS}
]
ITEMS = [*FIGURES, "table_1", "table_2", "tests", "figure_4_cases"]
LISTED = {item for row in EXPERIMENTS.values() for item in row.shown_in} | {"table_1", "tests"}
SHOWN = [item for item in ITEMS if item in LISTED and (HAS_OBSERVER or item not in OBSERVED_ITEMS)]
# Over the severity there is something to see only where it can be chosen.
HAS_DOSES = any(row.severity is not None for row in EXPERIMENTS.values())
SHOWN_INSTRUMENT = [
    item for item in INSTRUMENT_ITEMS if item in LISTED and (HAS_DOSES or item != "dose_response")
]
# The probe of shortcuts makes its own table; the others are comparisons, with their tests in one table of their own.
COMPARED_ITEMS = [item for item in INSTRUMENT_ITEMS if item != "shortcut"] + ["tests_instrument"]
SHOWN_COMPARED = [item for item in SHOWN_INSTRUMENT if item != "shortcut"]
INSTRUMENT_FIGURES = [item for item in SHOWN_COMPARED if item in FIGURE_MODULES]
INSTRUMENT_TABLES = SHOWN_COMPARED + (["tests_instrument"] if SHOWN_COMPARED else [])
# A row that only our own experiments show is no part of the paper's study, and of `all`.
STUDY_MODELS = [model for model, row in EXPERIMENTS.items() if is_of_the_study(row.shown_in)]
# Volumes of all chambers: for every model of the paper's several data sets, and for those beside which they are shown.
BIOMARKER_EXPERIMENTS = {"2", "4", "4b"}
BIOMARKER_ITEMS = {"figure_3", "figure_5", "controls", "label_sets"}
BIOMARKER_MODELS = [
    model
    for model, row in EXPERIMENTS.items()
    if (row.experiment in BIOMARKER_EXPERIMENTS or set(row.shown_in) & BIOMARKER_ITEMS)
    and len(row.structures) == 3
]
PROBED_MODELS = [model for model, row in EXPERIMENTS.items() if "shortcut" in row.shown_in]
TRAININGS = [(model, seed) for model in STUDY_MODELS for seed in EXPERIMENTS[model].seeds]
SUMMARISED = [item for item in SHOWN if item in {"figure_1", "figure_3", "figure_4", "table_2"}]
SHOWN_FIGURES = [item for item in SHOWN if item in FIGURES] + ["training_curves", "claims"]

HOW_TO_DRAW = (
    "Table 2 and Supplementary Figure 1 need masks drawn by hand:"
    " export the images with 'snakemake annotation_kit', draw on them,"
    " and name the folder of the masks in the configuration (kit: drawn)."
)

if config["selection"]["model"] not in EXPERIMENTS:
    stop_run(
        f"configuration: selection.model {config['selection']['model']!r} is no row of the list."
    )
if unknown := LISTED - {*ITEMS, *INSTRUMENT_ITEMS}:
    known = [*ITEMS, *INSTRUMENT_ITEMS]
    stop_run(f"{config['experiments']}: shown_in names {sorted(unknown)}; expected of {known}.")
if workflow.is_main_process and not HAS_OBSERVER and LISTED & set(OBSERVED_ITEMS):
    logger.warning(f"Left out: {HOW_TO_DRAW}")


wildcard_constraints:
    tree=r"(severity-[0-9.]+/)?",
    dataset="|".join(DATASETS),
    model="|".join(EXPERIMENTS),
    candidate="|".join(CANDIDATES),
    seed="[0-9]+",
    item="|".join(
        [*ITEMS, *INSTRUMENT_ITEMS, "tests_instrument", "training_curves", "biomarkers", *LEDGERS]
    ),
    ledger="|".join(LEDGERS),


def as_json(content):
    """Sorted JSON: equal settings give equal text, and equal text reruns nothing."""
    return json.dumps(content, sort_keys=True)


def models_of(item):
    """The models that an item shows; the tests compare all of the paper's study, or all of the instrument's."""
    if item == "tests":
        return STUDY_MODELS
    if item == "tests_instrument":
        return [
            name for name, row in EXPERIMENTS.items() if set(row.shown_in) & set(SHOWN_COMPARED)
        ]
    return [name for name, row in EXPERIMENTS.items() if item_of(item) in row.shown_in]


def item_of(item):
    """The item in whose figure a table is shown: the list of cases belongs to its figure."""
    return item.removesuffix("_cases")


def is_simulated(names):
    """Whether any of these data sets is simulated."""
    return bool(set(names) & set(SIMULATED))


def folders(name):
    """A function that gives the folders of the input files of this name."""

    def folders_of_input(wildcards, input):
        paths = input.get(name, [])
        return [os.path.dirname(path) for path in ([paths] if isinstance(paths, str) else paths)]

    return folders_of_input


def was_imported(dataset):
    """Whether the data set's store is there: without the raw data it then stands for itself."""
    return os.path.isfile(f"{config['pathvars']['results']}/cases/{dataset}/cases.csv")


def was_split():
    """Whether the study's results come from elsewhere: its patients were divided, and no store is here."""
    return os.path.isfile(f"{config['pathvars']['results']}/splits/patients.csv")


def raw_data(wildcards):
    """The manifest of a simulated data set, or the user's folder of a real one."""
    raw = config["datasets"][wildcards.dataset]["raw"]
    if raw == "simulated":
        return f"<results>/{wildcards.tree}raw/{wildcards.dataset}/manifest.csv"
    if not os.path.isdir(raw):
        if was_imported(wildcards.dataset):
            return raw
        if was_split():
            return []
        about = importlib.import_module(f"labeldropout.data.{wildcards.dataset}")
        stop_run(f"{raw}: the data set {about.TITLE} is not there. {about.HOW_TO_GET}")
    return raw


def raw_folder(wildcards, input):
    """The folder that the importer reads."""
    if wildcards.dataset in SIMULATED:
        return os.path.dirname(input.raw)
    return config["datasets"][wildcards.dataset]["raw"]


def curation_list(wildcards):
    """The list of Unity images that take part; it names images of the real release, so a simulated one has none."""
    is_curated = wildcards.dataset == "unity" and wildcards.dataset not in SIMULATED
    return config["curation"] if is_curated else []


def curation_flag(wildcards, input):
    """The flag that names this list, where there is one."""
    return ["--curation", input.curation] if input.get("curation") else []


def simulator_code(wildcards):
    """What simulates a data set; the simulations of the others are left out."""
    return fingerprint("data.simulate:simulate", choices={"_SIMULATORS": [wildcards.dataset]})


def importer_code(wildcards):
    """What imports a data set; the importers of the others are left out."""
    return fingerprint(
        "data.import_dataset:import_dataset", choices={"DATASETS": [wildcards.dataset]}
    )


def splitter_code():
    """What divides the data sets of this study."""
    return fingerprint("data.split:split", choices={"DATASETS": DATASETS})


def import_settings(wildcards):
    """The importer's options as JSON."""
    return as_json(config["datasets"][wildcards.dataset]["options"])


def simulation_settings(wildcards):
    """The sizes of a simulated data set as JSON."""
    return as_json(config["datasets"][wildcards.dataset]["simulate"])


def tree_of(model):
    """Where the data of a model lie below the results: in a tree of their own at a severity of their own."""
    severity = EXPERIMENTS[model].severity
    return "" if severity in (None, config["severity"]) else f"severity-{severity:g}/"


def severity_of(wildcards):
    """Domain shift of the data sets of a tree."""
    return os.path.dirname(wildcards.tree).removeprefix("severity-") or config["severity"]


def data_of(model, kind, names):
    """Tables of cases of one kind (stores, prepared arrays) of these data sets, as a model sees them."""
    return expand(
        "<results>/{tree}{kind}/{dataset}/cases.csv", tree=tree_of(model), kind=kind, dataset=names
    )


def cone_network(wildcards):
    """The cone network, where the data set's cones are found by it."""
    if config["datasets"][wildcards.dataset]["cone"] == "geometry":
        return []
    return "<results>/cone_network/network.safetensors"


def cone_method(wildcards, input):
    """Flags that say how the cones of a data set are found."""
    network = input.get("network")
    return (
        ["--method", "network", "--network", os.path.dirname(network)]
        if network
        else ["--method", "geometry"]
    )


def native_roots():
    """Folders of the data sets that are divided by their own official lists, as JSON."""
    results = config["pathvars"]["results"]
    return as_json(
        {
            name: f"{results}/raw/{name}" if name in SIMULATED else config["datasets"][name]["raw"]
            for name, kind in config["split"]["source"].items()
            if kind != "random"
        }
    )


def model_of(wildcards):
    """The row behind a job; a candidate of the grid search stands for the model that the search names."""
    return wildcards.get("model", config["selection"]["model"])


def model_row(wildcards):
    """The cells that decide a model's settings; where it is shown and how often it is trained do not."""
    cells = {
        key: cell for key, cell in ROWS[model_of(wildcards)].items() if cell and key != "shown_in"
    }
    return as_json({**cells, "seeds": "0"})


def model_settings(wildcards):
    """What all models share, for the data sets of this one."""
    row = EXPERIMENTS[model_of(wildcards)]
    names = sorted({*row.train_on, *row.evaluated_on})
    return as_json(
        {
            **config["training"],
            "datasets": names,
            "crop_margin": config["crop_margin"],
            "grid_size": config["grid_size"],
            "simulated": is_simulated(names),
            "study_seed": config["seed"],
        }
    )


def candidate_values(wildcards):
    """Initial learning rate and batch size of a candidate as JSON."""
    return as_json(CANDIDATES[wildcards.candidate])


def model_choices(wildcards):
    """The loss and the network of a model: of the tables of both only these entries count as its code."""
    row = EXPERIMENTS[model_of(wildcards)]
    return code_choices(row.loss, row.network)


def resolver_code(wildcards):
    """What writes out the settings of a model."""
    return fingerprint(
        "learning.experiments:parse_row",
        "learning.resolve:resolve",
        choices=model_choices(wildcards),
    )


def training_code(wildcards):
    """What trains a model."""
    return fingerprint("learning.train:train_model", choices=model_choices(wildcards))


def evaluation_code(wildcards):
    """What predicts and scores the test sets of a model."""
    return fingerprint("learning.evaluate:evaluate_model", choices=model_choices(wildcards))


def probe_code(wildcards):
    """What tells the domain from the answers of a model."""
    return fingerprint("analysis.shortcut.probe:probe_model", choices=model_choices(wildcards))


def training_data(wildcards):
    """Prepared arrays of the data sets that the model is trained on."""
    model = model_of(wildcards)
    return data_of(model, "prepared", EXPERIMENTS[model].train_on)


def test_data(wildcards):
    """Prepared arrays of the data sets that the model is evaluated on."""
    return data_of(wildcards.model, "prepared", EXPERIMENTS[wildcards.model].evaluated_on)


def test_cases(wildcards):
    """Stores of the data sets that the model is evaluated on."""
    return data_of(wildcards.model, "cases", EXPERIMENTS[wildcards.model].evaluated_on)


def true_hearts(wildcards):
    """Volumes of the simulated hearts among those that the model is evaluated on."""
    names = [name for name in EXPERIMENTS[wildcards.model].evaluated_on if name in SIMULATED]
    return expand(
        "<results>/{tree}truth/{dataset}/hearts.csv", tree=tree_of(wildcards.model), dataset=names
    )


def hearts_flag(wildcards, input):
    """The flag that names them, where there are some."""
    hearts = input.get("hearts", [])
    return ["--hearts", *([hearts] if isinstance(hearts, str) else hearts)] if hearts else []


def segmented_structures(wildcards):
    """Names of what the model segments."""
    return [structure.name for structure in EXPERIMENTS[wildcards.model].structures]


def known_structures(wildcards):
    """Stores that know where structures are that a data set does not label: the truth, or the observer's masks."""
    names = EXPERIMENTS[wildcards.model].evaluated_on
    truth = data_of(wildcards.model, "truth", [name for name in names if name in SIMULATED])
    observed = [] if HAS_SIMULATED_OBSERVER else observed_masks(wildcards)
    return [*truth, *([observed] if observed else [])]


def known_flag(wildcards, input):
    """The flag that names their folders, where there are some."""
    stores = folders("known")(wildcards, input)
    return ["--further", *stores] if stores else []


def probe_settings(wildcards):
    """How a probe resamples, as JSON."""
    names = EXPERIMENTS[wildcards.model].evaluated_on
    resampling = {key: config["statistics"][key] for key in ("draws", "seed")}
    return as_json({**resampling, "simulated": is_simulated(names)})


def model_simulated(wildcards):
    """Whether a model's test data are simulated, in the words of the command line."""
    return "yes" if is_simulated(EXPERIMENTS[wildcards.model].evaluated_on) else "no"


def trained_seeds(wildcards):
    """The weights of every seed of a model."""
    return [
        f"<results>/models/{wildcards.model}/seed-{seed}/weights.safetensors"
        for seed in EXPERIMENTS[wildcards.model].seeds
    ]


def observed_masks(wildcards):
    """The observer's masks, for the models that are evaluated on the data set he drew on."""
    if HAS_OBSERVER and config["kit"]["dataset"] in EXPERIMENTS[wildcards.model].evaluated_on:
        return "<results>/annotation/observed/cases.csv"
    return []


def observed_flag(wildcards, input):
    """The flag that names the observer's store, where there is one."""
    observed = input.get("observed")
    return ["--observed", os.path.dirname(observed)] if observed else []


def drawn_masks(wildcards):
    """The simulated observer's table, or the folder of the user's masks."""
    if HAS_SIMULATED_OBSERVER:
        return "<results>/annotation/drawn/drawn.csv"
    if not HAS_OBSERVER:
        stop_run(HOW_TO_DRAW)
    return config["kit"]["drawn"]


def drawn_folder(wildcards, input):
    """The folder of the drawn masks."""
    return os.path.dirname(input.drawn) if HAS_SIMULATED_OBSERVER else str(input.drawn)


def datasets_of(models):
    """The data sets on which any of these models is evaluated, in the order of the configuration."""
    return [
        name
        for name in DATASETS
        if any(name in EXPERIMENTS[model].evaluated_on for model in models)
    ]


def item_scores(wildcards):
    """Scores of the models that an item shows."""
    refuse_unavailable(wildcards.item)
    return expand("<results>/scores/{model}.csv", model=models_of(wildcards.item))


def item_cases(wildcards):
    """Stores that an item counts: all for Table 1, else those on which its models are evaluated."""
    names = DATASETS if wildcards.item == "table_1" else datasets_of(models_of(wildcards.item))
    return expand("<results>/cases/{dataset}/cases.csv", dataset=names)


def item_experiments(wildcards):
    """Rows of the models that an item shows, as JSON."""
    models = models_of(wildcards.item)
    return as_json([{key: cell for key, cell in ROWS[model].items() if cell} for model in models])


def ledger_models(wildcards):
    """The models whose scores judge the claims of a ledger; our own experiments compare with the paper's models."""
    return STUDY_MODELS if LEDGERS[wildcards.ledger] == "study" else list(EXPERIMENTS)


def ledger_part(wildcards):
    """Whose claims a ledger judges."""
    return LEDGERS[wildcards.ledger]


def ledger_scores(wildcards):
    """Scores of the models of a ledger."""
    return expand("<results>/scores/{model}.csv", model=ledger_models(wildcards))


def ledger_experiments(wildcards):
    """Rows of the models of a ledger, as JSON."""
    models = ledger_models(wildcards)
    return as_json([{key: cell for key, cell in ROWS[model].items() if cell} for model in models])


def surface_tolerance():
    """The tolerances of the surface Dice as JSON."""
    names = ["surface_tolerance_mm", "surface_tolerance_px"]
    return as_json({name: config["statistics"][name] for name in names})


def benchmark_folder():
    """Where the times of all jobs are kept."""
    return f"{config['pathvars']['results']}/benchmarks"


def comparison_settings():
    """What the tables need to know of the study, as JSON."""
    return as_json(
        {
            "statistics": config["statistics"],
            "kit": {"images": config["kit"]["images"], "shown": config["kit"]["shown"]},
            "seed": config["seed"],
            "severity": config["severity"],
            "simulated": is_simulated(DATASETS),
        }
    )


def refuse_unavailable(item):
    """Say why an item cannot be made in this study."""
    if item in OBSERVED_ITEMS and not HAS_OBSERVER:
        stop_run(HOW_TO_DRAW)
    if item not in {"table_1", "tests"} and not models_of(item):
        stop_run(f"{config['experiments']}: no row is shown in {item}.")


def figure_tables(wildcards):
    """The tables behind a figure."""
    further = {"figure_4": ["figure_4_cases"], "biomarkers": ["biomarkers_patients"]}
    names = [wildcards.item, *further.get(wildcards.item, [])]
    return expand("<results>/tables/{name}.csv", name=names)


def figure_cases(wildcards):
    """Stores whose images a figure shows; the observer's masks come last."""
    if wildcards.item not in PICTURES:
        return []
    observed = wildcards.item == "supplementary_figure_1"
    return item_cases(wildcards) + (["<results>/annotation/observed/cases.csv"] if observed else [])


def figure_predictions(wildcards):
    """Predictions that a figure shows."""
    models = models_of(wildcards.item) if wildcards.item in PICTURES else []
    return expand("<results>/predictions/{model}.npz", model=models)


def figure_simulated(wildcards):
    """Whether the figure's title must say that the data are simulated."""
    return "yes" if is_simulated(DATASETS) else "no"


def figure_code(wildcards):
    """What draws this figure; the other figures are left out."""
    return fingerprint(
        "publication.figures.draw:draw_figure", choices={"FIGURES": [wildcards.item]}
    )


def table_code(wildcards):
    """What makes this table; the other tables are left out."""
    one = [wildcards.item]
    return fingerprint("analysis.compare:compare", choices={"TABLES": one, "ITEMS": one})


def training_memory_mb(wildcards, attempt):
    """More memory on the second attempt."""
    return 8000 * attempt


def checkpoint_flags(wildcards, resources):
    """How often restart state is written."""
    # Asks for the resources because Snakemake reruns nothing for a changed parameter that was made from them: how
    # often a checkpoint is written is no reason to train anew.
    often = config["checkpoints"]
    return f"--checkpoint-epochs {often['epochs']} --checkpoint-minutes {often['minutes']}"
