"""The areas of a clip over time, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labeldropout.files import replacing
from labeldropout.predict.legend import Entry
from labeldropout.predict.measures import ONE_PLANE

MISSING = "matplotlib is not installed, so no area curves are drawn: pip install 'labeldropout[predict]'"


def can_draw() -> bool:
    """Whether matplotlib is there."""
    try:
        import matplotlib  # noqa: F401, ICN001, PLC0415 - an extra
    except ModuleNotFoundError:
        return False
    return True


def draw_curve(
    rows: Sequence[Mapping[str, Any]], clip: Mapping[str, Any] | None, legend: Sequence[Entry], target: Path
) -> None:
    """Draw the area of each structure over the frames of a clip, with end diastole, end systole and ejection fraction.

    Args:
        rows: Rows of `AREAS` about the clip.
        clip: Its row of `CLIPS`; None where the model does not outline a ventricle.
        legend: What is outlined.
        target: The PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra, and slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    in_seconds = all(row["seconds"] is not None for row in rows)
    in_cm2 = all(row["area_cm2"] is not None for row in rows)
    figure = Figure(figsize=(7, 3.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for one in legend:
        own = [row for row in rows if row["structure"] == one.name]
        axes.plot(
            [row["seconds" if in_seconds else "frame"] for row in own],
            [row["area_cm2" if in_cm2 else "area_px"] for row in own],
            color=[value / 255 for value in one.colour],
            label=one.name,
        )
    if clip is not None and clip["ejection_fraction_percent"] is not None:
        for name, words in (("end_diastole", "ED"), ("end_systole", "ES")):
            place = clip[f"{name}_seconds" if in_seconds else f"{name}_frame"]
            axes.axvline(place, color="0.6", linewidth=1, linestyle=":")
            axes.annotate(words, (place, 1), (2, -10), xycoords=("data", "axes fraction"), textcoords="offset points")
        fraction = clip["ejection_fraction_percent"]
        axes.set_title(f"Ejection fraction by discs {fraction:.0f} % ({ONE_PLANE})", fontsize=9)
    axes.set_xlabel("time (s)" if in_seconds else "frame")
    axes.set_ylabel("area (cm²)" if in_cm2 else "area (pixels)")
    axes.set_ylim(bottom=0)
    if not in_seconds:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    with replacing(target) as file:
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
