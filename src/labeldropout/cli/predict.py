"""Verbs for any pictures: flags only."""

import argparse
import signal
import sys
from pathlib import Path

from labeldropout.cli.flags import Verb
from labeldropout.cli.tracing import write_sidecar


def _predict_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        help="files or folders: NIfTI, MetaImage, DICOM, PNG, JPEG, TIFF, BMP, AVI, MP4, MOV",
    )
    parser.add_argument("--weights", type=Path, help="weights.safetensors; default: the released model")
    parser.add_argument(
        "--cone", choices=("geometry", "network", "none"), default="geometry", help="how the cone is found"
    )
    parser.add_argument("--cone-network", type=Path, help="output of train-cone, for --cone network")
    parser.add_argument(
        "--spacing",
        type=float,
        nargs=2,
        metavar=("ROW", "COLUMN"),
        help="height and width of a pixel in mm, for every input; default: what each file says",
    )
    parser.add_argument(
        "--third-axis",
        choices=("header", "frames"),
        default="header",
        help="what the third axis of NIfTI and MetaImage is: what the header says, or frames",
    )
    parser.add_argument("--coco", action="store_true", help="also write the contours as COCO JSON")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")


def predict(arguments: argparse.Namespace) -> int:
    """Verb `predict`: 0 if every input was outlined, 1 if one could not be."""
    from tqdm import tqdm

    from labeldropout.predict.outline import Options, outline_files

    def say(line: str) -> None:
        shown = line.replace("\n", "\\n").encode(errors="backslashreplace").decode()
        tqdm.write(f"labeldropout predict: {shown}", file=sys.stderr)

    options = Options(
        weights=arguments.weights,
        cone=arguments.cone,
        cone_network=arguments.cone_network,
        device=arguments.device,
        spacing_mm=arguments.spacing and tuple(arguments.spacing),
        third_axis=arguments.third_axis,
        coco=arguments.coco,
    )
    try:
        report = outline_files(arguments.inputs, arguments.output, options, say)
    except KeyboardInterrupt:
        say(f"stopped; what is in {arguments.output} is whole")
        return 128 + signal.SIGINT
    if arguments.json:
        print(report.to_json())
    say(report.summary())
    return 1 if report.failed else 0


def _release_flags(parser: argparse.ArgumentParser) -> None:
    study = Path("results/released_study")
    weights = study / "models" / "released" / "seed-0" / "weights.safetensors"
    parser.add_argument("--weights", type=Path, default=weights, help=f"weights of a training; default: {weights}")
    parser.add_argument("--tables", type=Path, default=study / "tables", help="tables of its study")
    package = Path("src/labeldropout/predict/released/weights.safetensors")
    parser.add_argument("--output", type=Path, default=package, help="where the package has its weights")
    parser.add_argument("--card", type=Path, default=Path("results/released"), help="folder of the model card")


def release(arguments: argparse.Namespace) -> None:
    """Verb `release`."""
    from labeldropout.predict.release import CARD, DATA, SCORES, release
    from labeldropout.running.sidecars import sidecar_of, weights_metadata

    trained = weights_metadata(arguments.weights)
    release(arguments.weights, trained, arguments.tables, arguments.output, arguments.card)
    write_sidecar(
        arguments,
        sidecar_of(arguments.card / CARD),
        files=[arguments.card / name for name in (CARD, DATA, SCORES)],
        inputs=[arguments.output, arguments.weights, *(arguments.tables / name for name in (DATA, SCORES))],
        settings=trained,
        models={trained["config"]["model"]: [trained["seed"]]},
        simulated=bool(trained["config"]["simulated"]),
        target="released",
    )


VERBS = (
    Verb("predict", "outline the structures in your own images and videos", _predict_flags, predict),
    Verb("release", "put a trained model into the package, and write its model card", _release_flags, release),
)
