"""A small study made by hand: two data sets, bright discs in place of hearts, one of them without left atria."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jaxtyping
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from workflow_copy import Workflow, copy_workflow

from labeldropout.case import Case, stable_id
from labeldropout.data.case_store import CaseStore, with_structures, write_cases
from labeldropout.data.import_report import ImportReport
from labeldropout.data.parts import PATIENTS
from labeldropout.data.prepared import PREPARED, write_prepared
from labeldropout.files import write_table
from labeldropout.heart import Structure
from labeldropout.labels import Instant, State, View, values_of

GRID = 32
PARTS = ["training"] * 6 + ["validation"] * 2 + ["test"] * 2


@dataclass(frozen=True)
class SmallStudy:
    """Paths of a study on disc."""

    root: Path
    split: Path

    def prepared(self, dataset: str) -> Path:
        """Folder of prepared arrays."""
        return self.root / "prepared" / dataset

    def cases(self, dataset: str) -> Path:
        """Store of cases."""
        return self.root / "cases" / dataset

    def config(self, **changes: object) -> Path:
        """A `config.json` of a small network, with changes."""
        settings = {
            "model": "small",
            "experiment": "4",
            "train_on": ["first", "second"],
            "structures": {"LV": 1, "LVM": 2, "LA": 3},
            "channels": 1,
            "hidden": [],
            "loss": "adaptive",
            "augmentation": None,
            "label_dropout": None,
            "network": {"name": "basic_unet", "features": [4, 4, 8, 8, 8, 4]},
            "evaluated_on": ["first", "second"],
            "optimisation": {
                "steps": None,
                "epochs": 2,
                "validations": 20,
                "momentum": 0.9,
                "weight_decay": 0.0,
                "decay_power": 0.9,
                "learning_rate": 0.1,
                "batch_size": 4,
            },
            "grid_size": GRID,
            "crop_margin": 0.02,
            "study_seed": 7,
            "simulated": True,
            **changes,
        }
        path = self.root / "models" / str(settings["model"]) / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
        return path


@pytest.fixture
def ordinary_runtime():
    """What a user has: the shapes of the annotations are not checked."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def disc_case(dataset: str, group: int, instant: Instant, states: dict[Structure, State]) -> Case:
    """A case of 40 x 40 pixels whose structures are a disc, a ring round it and a disc below it."""
    rng = np.random.default_rng([group, len(dataset), instant == Instant.ED])
    row, column = np.indices((40, 40))
    radius = np.hypot(row - 14 - rng.uniform(-2, 2), column - 20 - rng.uniform(-3, 3))
    atrium = np.hypot(row - 31, column - 20 - rng.uniform(-3, 3))
    target = np.zeros((40, 40), np.uint8)
    target[radius < 10] = Structure.LVM
    target[radius < 7] = Structure.LV
    target[atrium < 6] = Structure.LA
    brightness = np.array([60, 10, 200, 30], np.float64)[target] + 20 * rng.standard_normal(target.shape)
    for structure, state in states.items():
        if state is not State.LABELLED:
            target[target == structure] = Structure.BACKGROUND
    return Case(
        dataset=dataset,
        group_name=f"group{group:02d}",
        frame=0,
        image=np.clip(brightness, 0, 255).astype(np.uint8),
        target=target,
        states=states,
        pixel_spacing_mm=(0.5, 0.5) if dataset == "first" else None,
        view=View.A4C,
        instant=instant,
        source=f"{group}.png",
        source_sha256="0" * 64,
    )


@pytest.fixture
def small_study(tmp_path: Path) -> SmallStudy:
    """Two data sets of ten patients and twenty images; the left atrium is unknown in the second."""
    study = SmallStudy(tmp_path, tmp_path / "splits" / "patients.csv")
    patients = []
    for dataset in ("first", "second"):
        states = dict.fromkeys((Structure.LV, Structure.LVM, Structure.LA), State.LABELLED)
        if dataset == "second":
            states[Structure.LA] = State.UNKNOWN
        cases = [disc_case(dataset, group, instant, states) for group in range(10) for instant in Instant]
        write_cases(cases, study.cases(dataset), ImportReport(dataset))
        store = CaseStore(study.cases(dataset))
        table = store.table.assign(crop_row=4, crop_column=4, crop_height=GRID, crop_width=GRID)
        table = table[list(with_structures(PREPARED, values_of(store.pixels.structures)))]
        inside = (slice(4, 4 + GRID),) * 2
        write_prepared(
            (store.image(i)[inside] for i in range(len(store))),
            (store.target(i)[inside] for i in range(len(store))),
            table,
            store.pixels,
            study.prepared(dataset),
        )
        patients += [
            {"dataset": dataset, "patient": stable_id(dataset, f"group{group:02d}"), "part": part}
            for group, part in enumerate(PARTS)
        ]
    write_table(pd.DataFrame(patients), study.split, PATIENTS)
    return study


MadeOnce = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> MadeOnce:
    """A function that makes a folder by its name, once in a session however many processes run tests."""
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        path = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not (path / "made").is_file():
                shutil.rmtree(path, ignore_errors=True)
                make(path / "study")
                (path / "made").touch()
        return path / "study"

    return folder


def _run_small(folder: Path) -> None:
    study = copy_workflow(folder)
    study.make_small()
    study.finish()


@pytest.fixture(scope="session")
def small(made_once: MadeOnce) -> Path:
    """The smoke study as a default study, in `results`, run to its end; not to be changed."""
    return made_once("small", _run_small)


@pytest.fixture
def finished_study(small: Path, tmp_path: Path) -> Workflow:
    """A copy of its own of the smoke study, finished."""
    shutil.copytree(small, tmp_path / "study", symlinks=True)
    return Workflow(tmp_path / "study")
