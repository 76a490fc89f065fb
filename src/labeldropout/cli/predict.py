"""Verbs for any pictures: flags only."""

import argparse
from pathlib import Path

from labeldropout.cli.flags import Verb, add_paths
from labeldropout.cli.tracing import write_sidecar


def _predict_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+", help="images, videos or folders: NIfTI, MHD, PNG, AVI, MP4")
    parser.add_argument("--weights", type=Path, help="weights.safetensors; default: the released model")
    parser.add_argument(
        "--cone", choices=("geometry", "network", "none"), default="geometry", help="how the cone is found"
    )
    parser.add_argument("--cone-network", type=Path, help="output of train-cone, for --cone network")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    add_paths(parser, "output")


def predict(arguments: argparse.Namespace) -> None:
    """Verb `predict`."""
    from labeldropout.predict.outline import predict_files

    predict_files(
        arguments.inputs,
        weights=arguments.weights,
        cone=arguments.cone,
        cone_network=arguments.cone_network,
        device=arguments.device,
        output=arguments.output,
    )


def _release_flags(parser: argparse.ArgumentParser) -> None:
    add_paths(parser, "weights", "output")


def release(arguments: argparse.Namespace) -> None:
    """Verb `release`."""
    from labeldropout.predict.release import release
    from labeldropout.running.sidecars import sidecar_of, weights_metadata

    release(arguments.weights, arguments.output)
    trained = weights_metadata(arguments.output)
    write_sidecar(
        arguments,
        sidecar_of(arguments.output),
        files=[arguments.output],
        inputs=[arguments.weights],
        settings=trained,
        models={trained["config"]["model"]: [trained["seed"]]},
        simulated=bool(trained["config"]["simulated"]),
        target="release",
    )


VERBS = (
    Verb("predict", "outline the structures in your own images and videos", _predict_flags, predict),
    Verb("release", "publish the weights of one model", _release_flags, release),
)
