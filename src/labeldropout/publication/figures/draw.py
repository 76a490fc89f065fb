"""Draw one figure from a table and, for pictures, the cases and predictions that it names."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labeldropout.analysis.biomarkers.agree import BIOMARKER_AGREEMENT
from labeldropout.analysis.biomarkers.measure import BIOMARKERS
from labeldropout.analysis.claims.judge import CLAIMS, CLAIMS_TEXT
from labeldropout.analysis.decomposition import DECOMPOSITION
from labeldropout.analysis.lengths import LENGTH_TEXT, LONG_SHORT
from labeldropout.analysis.panels import PANEL_TABLE
from labeldropout.analysis.shortcut.table import read_probes
from labeldropout.analysis.soundness import SOUNDNESS
from labeldropout.analysis.spreads import FIGURE_TABLE, INSTRUMENT_TABLE
from labeldropout.analysis.summarise import TRAINING_CURVES
from labeldropout.data.case_store import CaseStore
from labeldropout.data.catalogue import DATASETS
from labeldropout.files import read_table
from labeldropout.labels import is_annotated
from labeldropout.publication.figures import (
    architectures,
    arms,
    augmentation,
    biomarkers,
    claims,
    controls,
    decomposition,
    dose_response,
    figure_1,
    figure_3,
    figure_4,
    label_sets,
    long_short,
    losses,
    panels,
    remedies,
    shortcut,
    style,
    training_curves,
)

TITLES = {name: entry.facts.TITLE.split(":")[0] for name, entry in DATASETS.items()}
"""Short title of each data set, in the order in which figures show them."""

OBSERVER = "observer"


_DATA_SET_ONLY = ("dataset",)


_WITH_OBSERVER = ("dataset", OBSERVER)


@dataclass(frozen=True)
class Sources:
    """The files that a figure is drawn from."""

    tables: Sequence[Path]
    cases: Sequence[Path]
    """Stores of cases."""
    predictions: Sequence[Path]
    """`<model>.npz`."""
    simulated: bool
    looks: style.StructureLooks
    """How the structures of the study are shown."""
    hidden: str
    """What is hidden from models of the figure, as the list of experiments says it; empty if nothing is."""

    def only_table(self) -> Path:
        """The one table.

        Raises:
            ValueError: There is none, or more than one.
        """
        if len(self.tables) != 1:
            raise ValueError(f"Expected one table, found {[str(path) for path in self.tables]}.")
        return self.tables[0]

    def hidden_structure(self) -> str:
        """The structure that is hidden from models of the figure.

        Raises:
            ValueError: None is.
        """
        hidden = arms.hiding(self.hidden)
        if hidden is None:
            raise ValueError(
                "Nothing is hidden from any model of this figure (expected a row of the list of experiments with an"
                " entry such as LA@unity:1.0 in the column hidden, or the flag --hidden)."
            )
        return hidden.structures[0]


def _read_figure_table(path: Path) -> pd.DataFrame:
    return read_table(path, FIGURE_TABLE, ("train_on", "seed", "data"))


def _read_instrument_table(path: Path) -> pd.DataFrame:
    text = ("train_on", "seed", "hidden", "dropout_mode", "augmentation", "network", "reference", "data")
    table = read_table(path, INSTRUMENT_TABLE, text)
    if table.empty:
        raise ValueError(f"{path}: no row (expected at least one model).")
    return table


def _read_panel_table(path: Path) -> pd.DataFrame:
    table = read_table(path, PANEL_TABLE, ("structure", "reference", "data"))
    if table.empty:
        raise ValueError(f"{path}: no row (expected at least one picture).")
    for what, column in (("model", "seed"), ("position", "case")):
        several = table.groupby(what)[column].nunique()
        if (several > 1).any():
            raise ValueError(
                f"{path}: {what} {several.idxmax()} has {several.max()} values of {column} (expected one)."
            )
    return table


class _Stores:
    """Cases by identifier; a case may be in both the data set's store and the observer's."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.stores = [CaseStore(folder) for folder in folders]
        self.rows = [dict(zip(store.table["case"], range(len(store)), strict=True)) for store in self.stores]

    def find(self, case: str, structures: Collection[str]) -> tuple[CaseStore, int]:
        """Find the first store, and the row in it, whose reference covers all these structures.

        Raises:
            ValueError: There is none.
        """
        holders = [(store, rows[case]) for store, rows in zip(self.stores, self.rows, strict=True) if case in rows]
        for store, row in holders:
            known = {structure.name for structure, state in store.states(row).items() if is_annotated(state)}
            if known.issuperset(structures):
                return store, row
        folders = [str(store.directory) for store in self.stores]
        found = "case not found" if not holders else "no reference of all of " + ", ".join(structures)
        raise ValueError(f"{case}: {found} in the stores {folders}.")


def _prediction(files: dict[str, Path], model: str, seed: int, case: str) -> np.ndarray:
    """The label map that a model predicts for a case.

    Raises:
        ValueError: There is none; the message names the file.
    """
    if model not in files:
        raise ValueError(f"No predictions of {model} among {[str(path) for path in files.values()]}.")
    key = f"seed-{seed}/{case}"
    with np.load(files[model], allow_pickle=False) as archive:
        if key not in archive.files:
            raise ValueError(f"{files[model]}: no prediction {key} (found {len(archive.files)} others).")
        return archive[key]


def _title(dataset: str, row: pd.Series) -> str:
    """Title of a picture: its data set and, below it, view and instant if known."""
    return "\n".join(filter(None, [TITLES.get(dataset, dataset), f"{row['view']} {row['instant']}".strip()]))


def _pictures(table: pd.DataFrame, sources: Sources, references: Sequence[str]) -> list[panels.PictureRow]:
    """The rows of a panel.

    Args:
        table: `PANEL_TABLE`.
        sources: Stores and predictions.
        references: Whose masks are shown: the data set's, or the observer's as well.

    Raises:
        ValueError: A case, its reference or a prediction is missing, or does not match its image.
    """
    stores = _Stores(sources.cases)
    files, looks = {path.stem: path for path in sources.predictions}, sources.looks
    rows = []
    for _, of_case in table.groupby("position", sort=True):
        case, dataset = of_case["case"].iloc[0], of_case["dataset"].iloc[0]
        scored = of_case[of_case["reference"].isin(references) & (of_case["structure"] != "")]
        store, index = stores.find(case, [name for name in looks.names if name in set(scored["structure"])])
        image = np.asarray(store.image(index))
        spacing = store.spacing_mm(index) or (1.0, 1.0)
        predictions, dice_scores = {}, {}
        for model, of_model in of_case.groupby("model", sort=False):
            predictions[model] = _prediction(files, model, int(of_model["seed"].iloc[0]), case)
            if predictions[model].shape != image.shape[:2]:
                raise ValueError(
                    f"{files[model]}: prediction of {case} does not fit (expected {image.shape[:2]}, "
                    f"found {predictions[model].shape})."
                )
            # Where both have drawn a structure, the observer comes last and takes precedence.
            of_scored = scored[scored["model"] == model].sort_values("reference")
            dice_scores[model] = {
                looks.structures[name]: float(score)
                for name, score in zip(of_scored["structure"], of_scored["dice"], strict=True)
            }
        rows.append(
            panels.PictureRow(
                title=_title(dataset, store.table.iloc[index]),
                image=image,
                reference=np.asarray(store.target(index)),
                annotated=tuple(name for name, state in store.states(index).items() if is_annotated(state)),
                predictions=predictions,
                dice_scores=dice_scores,
                pixel_aspect=spacing[0] / spacing[1],
            )
        )
    return rows


def _models(table: pd.DataFrame, sources: Sources) -> list[str]:
    """The models of a panel, in the order in which their predictions are given."""
    return style.by_known_order(table["model"].tolist(), [path.stem for path in sources.predictions])


def _draw_figure_1(sources: Sources) -> Figure:
    return figure_1.draw(_read_figure_table(sources.only_table()), TITLES, sources.looks, simulated=sources.simulated)


def _draw_figure_3(sources: Sources) -> Figure:
    table = _read_figure_table(sources.only_table())
    return figure_3.draw(table, sources.hidden_structure(), sources.looks, simulated=sources.simulated)


def _draw_figure_4(sources: Sources) -> Figure:
    if len(sources.tables) != 2:
        raise ValueError(f"Figure 4: expected its table and its cases, found {[str(path) for path in sources.tables]}.")
    table, cases = _read_figure_table(sources.tables[0]), _read_panel_table(sources.tables[1])
    datasets = cases["dataset"].unique()
    if len(datasets) != 1:
        raise ValueError(f"{sources.tables[1]}: expected cases of one data set, found {', '.join(datasets)}.")
    probability = dict(zip(table["model"], table["probability"], strict=True))
    models = {
        model: f"{100 * probability[model]:g} % label dropout" if probability.get(model) else "Without label dropout"
        for model in _models(cases, sources)
    }
    return figure_4.draw(
        table,
        datasets[0],
        TITLES.get(datasets[0], datasets[0]),
        _pictures(cases, sources, _DATA_SET_ONLY) if sources.cases else [],
        models,
        sources.hidden_structure(),
        sources.looks,
        simulated=sources.simulated,
    )


def _draw_panel(sources: Sources, title: str, references: Sequence[str]) -> Figure:
    table = _read_panel_table(sources.only_table())
    models = {model: style.MODEL_TITLES.get(model, model) for model in _models(table, sources)}
    return panels.draw(_pictures(table, sources, references), models, title, sources.looks, simulated=sources.simulated)


def _draw_figure_2(sources: Sources) -> Figure:
    return _draw_panel(sources, "Figure 2. Trained on all data sets, partly labelled", _DATA_SET_ONLY)


def _draw_figure_5(sources: Sources) -> Figure:
    return _draw_panel(sources, "Figure 5. Trained on all data sets, with label dropout", _DATA_SET_ONLY)


def _draw_supplementary_figure_1(sources: Sources) -> Figure:
    return _draw_panel(sources, "Supplementary Figure 1. Images that the observer drew on", _WITH_OBSERVER)


def _draw_training_curves(sources: Sources) -> Figure:
    if len(sources.tables) != 2:
        raise ValueError(
            f"Training curves: expected their table and the verdicts, found {[str(path) for path in sources.tables]}."
        )
    curves = read_table(sources.tables[0], TRAINING_CURVES, ("model", "dataset", "structure", "data"))
    if curves.empty:
        raise ValueError(f"{sources.tables[0]}: no row (expected at least one training).")
    of_key = ("model", "seed", "dataset", "structure", "highest_model", "verdict", "why")
    verdicts = read_table(sources.tables[1], SOUNDNESS, of_key)
    try:
        return training_curves.draw(curves, verdicts, TITLES, sources.looks, simulated=sources.simulated)
    except ValueError as error:
        raise ValueError(f"{sources.tables[1]}: {error}") from error


def _of_instrument(draw: Callable[..., Figure]) -> Callable[[Sources], Figure]:
    """Wrap a figure of our own experiments: pass it the table and data sets' titles, and name the table in messages."""

    def draw_sources(sources: Sources) -> Figure:
        path = sources.only_table()
        table = _read_instrument_table(path)
        try:
            return draw(table, TITLES, sources.looks, simulated=sources.simulated)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    return draw_sources


def _of_table(draw: Callable[..., Figure], columns: dict[str, str], text: Sequence[str]) -> Callable[[Sources], Figure]:
    """The same for a figure whose table has columns of its own."""

    def draw_sources(sources: Sources) -> Figure:
        path = sources.only_table()
        table = read_table(path, columns, text)
        try:
            return draw(table, TITLES, sources.looks, simulated=sources.simulated)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    return draw_sources


def _draw_ledger(title: str) -> Callable[[Sources], Figure]:
    def draw_sources(sources: Sources) -> Figure:
        path = sources.only_table()
        table = read_table(path, CLAIMS, CLAIMS_TEXT)
        if table.empty:
            raise ValueError(f"{path}: no row (expected at least one comparison).")
        return claims.draw(table, title, simulated=sources.simulated)

    return draw_sources


def _draw_biomarkers(sources: Sources) -> Figure:
    if len(sources.tables) != 2:
        raise ValueError(
            f"Biomarkers: expected their table and the patients', found {[str(path) for path in sources.tables]}."
        )
    of_key = ("measure", "structure", "views", "instant", "unit")
    agreement = read_table(sources.tables[0], BIOMARKER_AGREEMENT, ("seed", *of_key, "data"))
    reasons = ("implausible_prediction", "implausible_reference")
    patients = read_table(sources.tables[1], BIOMARKERS, (*of_key, *reasons, "data"))
    try:
        return biomarkers.draw(
            patients, agreement, TITLES, style.MODEL_TITLES, sources.looks, simulated=sources.simulated
        )
    except ValueError as error:
        raise ValueError(f"{sources.tables[1]}: {error}") from error


def _draw_shortcut(sources: Sources) -> Figure:
    path = sources.only_table()
    table = read_probes(path)
    if table.empty:
        raise ValueError(f"{path}: no row (expected at least one model).")
    return shortcut.draw(table, TITLES, style.MODEL_TITLES, sources.looks, simulated=sources.simulated)


FIGURES: dict[str, Callable[[Sources], Figure]] = {
    "figure_1": _draw_figure_1,
    "figure_2": _draw_figure_2,
    "figure_3": _draw_figure_3,
    "figure_4": _draw_figure_4,
    "figure_5": _draw_figure_5,
    "supplementary_figure_1": _draw_supplementary_figure_1,
    "training_curves": _draw_training_curves,
    "controls": _of_instrument(controls.draw),
    "decomposition": _of_table(decomposition.draw, DECOMPOSITION, ("seed", "data")),
    "augmentation": _of_instrument(augmentation.draw),
    "long_short": _of_table(long_short.draw, LONG_SHORT, ("study", *LENGTH_TEXT)),
    "dose_response": _of_instrument(dose_response.draw),
    "losses": _of_instrument(losses.draw),
    "architectures": _of_instrument(architectures.draw),
    "remedies": _of_instrument(remedies.draw),
    "label_sets": _of_instrument(label_sets.draw),
    "biomarkers": _draw_biomarkers,
    "shortcut": _draw_shortcut,
    "claims": _draw_ledger("The paper's claims"),
    "claims_instrument": _draw_ledger("Claims that our own experiments test"),
}
"""The figures that can be drawn, by their names on the command line."""


def draw_figure(
    *,
    item: str,
    tables: Sequence[Path],
    cases: Sequence[Path],
    predictions: Sequence[Path],
    simulated: bool,
    structures: Sequence[Mapping[str, Any]],
    hidden: str,
    output: Path,
) -> None:
    """Draw one figure as `<output>.svg` and `<output>.png`; the same inputs give the same bytes.

    Args:
        item: A key of `FIGURES`.
        tables: The table behind the figure; for Figure 4 also its list of cases.
        cases: Stores of the cases that pictures show; for Supplementary Figure 1 also the observer's.
        predictions: Archives of label maps, `<model>.npz`; their order is that of the columns.
        simulated: Whether the data are simulated; the title then says so.
        structures: Section `structures` of the configuration.
        hidden: What is hidden from models of the figure, as the list of experiments says it; empty if nothing is.
        output: Path without suffix.

    Raises:
        ValueError: The figure is unknown, or an input does not match the others; the message names the file.
    """
    if item not in FIGURES:
        raise ValueError(f"Unknown figure {item!r} (expected one of {', '.join(FIGURES)}).")
    sources = Sources(tables, cases, predictions, simulated, style.looks_of(structures), hidden)
    with mpl.rc_context(style.STYLE):
        figure = FIGURES[item](sources)
    style.save(figure, output)
