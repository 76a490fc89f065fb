"""Import CAMUS from its own files: stills, and the frames between them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from labeldropout.case import Case, DatasetError
from labeldropout.data.camus import NAME
from labeldropout.data.camus.release import Layout, Options, Patient, find_layout, read_hints
from labeldropout.data.image_files import StoredImage, read_metaimage, read_nifti
from labeldropout.data.import_report import ImportReport
from labeldropout.data.picture_files import refuse_blank
from labeldropout.heart import FOREGROUND, Structure
from labeldropout.labels import Instant, State, View

PATTERN = dict.fromkeys(FOREGROUND, State.LABELLED)
"""State of each structure in the released label maps."""


_UNLABELLED = dict.fromkeys(FOREGROUND, State.UNKNOWN)


_FILE_VIEWS = {View.A2C: "2CH", View.A4C: "4CH"}


_QUALITIES = ("Good", "Medium", "Poor")


_USUAL_SPACINGS = ((0.154, 0.308), (0.308, 0.308))


def _read_info(path: Path, needed: bool) -> dict[str, str]:
    """Entries of an `Info_*.cfg` by lower-case key; the older `LVef` is also available as `EF`."""
    if not path.is_file():
        if needed:
            raise DatasetError.about(NAME, path, "missing file", "Key: value lines", "no such file")
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError.about(NAME, path, "not text", "Key: value lines", f"byte {error.start}") from error
    info: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not key:
            raise DatasetError.about(NAME, f"{path}:{number}", "not an entry", "Key: value", repr(line[:60]))
        key = "ef" if key.lower() == "lvef" else key.lower()
        if key in info:
            raise DatasetError.about(NAME, f"{path}:{number}", "duplicate key", f"{key} once", "twice")
        info[key] = value
    quality = info.get("imagequality", "")
    if quality and quality not in _QUALITIES:
        raise DatasetError.about(NAME, path, "unknown ImageQuality", ", ".join(_QUALITIES), repr(quality))
    return info


def _stored(folder: Path, stem: str, kind: str) -> Path | None:
    """The file of a still or sequence, None if there is none."""
    endings = (".nii.gz", ".nii") if kind == "NEW" else (".mhd",)
    found = [path for ending in endings if (path := folder / f"{stem}{ending}").is_file()]
    if len(found) > 1:
        raise DatasetError.about(NAME, found[0], "duplicate file", "one file", ", ".join(path.name for path in found))
    return found[0] if found else None


def _needed(folder: Path, stem: str, kind: str) -> Path:
    path = _stored(folder, stem, kind)
    if path is None:
        ending = ".nii.gz" if kind == "NEW" else ".mhd"
        raise DatasetError.about(NAME, folder / f"{stem}{ending}", "missing file", "an image", "no such file")
    return path


def _read(path: Path) -> StoredImage:
    return read_metaimage(path, NAME) if path.suffix == ".mhd" else read_nifti(path, NAME)


def _intensities(stored: StoredImage, n_axes: int) -> np.ndarray:
    values = stored.values
    if values.ndim != n_axes:
        raise DatasetError.about(
            NAME, stored.path, "wrong shape", f"{n_axes} axes longer than 1", " x ".join(map(str, values.shape))
        )
    if values.dtype != np.uint8:
        if not np.isfinite(values).all():
            n_bad = int((~np.isfinite(values)).sum())
            raise DatasetError.about(
                NAME, stored.path, "pixels that are no numbers", "finite values", f"{n_bad} pixels"
            )
        if values.min() < -0.5 or values.max() > 255.5:
            raise DatasetError.about(
                NAME,
                stored.path,
                "intensities out of range",
                "0 to 255",
                f"{values.min():g} to {values.max():g} (slope {stored.slope:g})",
            )
        if values.dtype.kind == "f" and values.max() <= 1:
            found = f"{values.min():g} to {values.max():g}"
            advice = "Multiply the intensities by 255 when the file is written."
            raise DatasetError.about(NAME, stored.path, "intensities scaled to 1", "0 to 255", found, advice)
        values = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    for picture in values.reshape(-1, *values.shape[-2:]):
        refuse_blank(picture, NAME, stored.path)
    return np.ascontiguousarray(values)


def _labels(stored: StoredImage, image: StoredImage) -> np.ndarray:
    values = stored.values
    if values.shape != image.values.shape or stored.pixel_spacing_mm != image.pixel_spacing_mm:
        raise DatasetError.about(
            NAME,
            stored.path,
            "shape or spacing differs from the image's",
            f"{image.values.shape}, {image.pixel_spacing_mm} mm as {image.path.name}",
            f"{values.shape}, {stored.pixel_spacing_mm} mm",
        )
    numbers = values.astype(np.float64)
    rounded = np.rint(numbers)
    good = (np.abs(numbers - rounded) <= 1e-3) & (rounded >= 0) & (rounded <= max(Structure))
    if not good.all():
        wrong = ", ".join(f"{value:g}" for value in np.unique(numbers[~good])[:6])
        raise DatasetError.about(
            NAME,
            stored.path,
            "unknown label",
            "0, 1, 2 or 3",
            f"{wrong} (slope {stored.slope:g})",
        )
    return np.ascontiguousarray(rounded.astype(np.uint8))


def _largest(target: np.ndarray) -> np.ndarray:
    """The label map with only the largest 4-connected component of each structure; the upper one wins a tie."""
    from scipy import ndimage

    kept = np.zeros_like(target)
    for structure in FOREGROUND:
        components, n_components = ndimage.label(target == structure)
        if n_components:
            sizes = np.bincount(components.ravel())[1:]
            kept[components == 1 + int(sizes.argmax())] = structure
    return kept


@dataclass
class _Census:
    """Counts for the self-check."""

    patients: set[str] = field(default_factory=set)
    n_stills: int = 0
    qualities: dict[View, Counter[str]] = field(default_factory=lambda: {view: Counter() for view in View})
    first_lv_px: dict[Instant, int] = field(default_factory=dict)
    odd_spacings: list[str] = field(default_factory=list)
    n_with_la: int = 0
    la_above: list[str] = field(default_factory=list)
    stray: dict[str, int] = field(default_factory=dict)
    ends_like_stills: list[bool] = field(default_factory=list)

    def count(self, case: Case, item: str) -> None:
        """Add one still to the counts."""
        self.patients.add(case.group_name)
        self.n_stills += 1
        self.qualities[case.view][case.quality] += case.instant is Instant.ED
        spacing = case.pixel_spacing_mm
        if not any(np.allclose(spacing, usual, rtol=0.1) for usual in _USUAL_SPACINGS):
            self.odd_spacings.append(f"{item} ({spacing[0]:g}, {spacing[1]:g})")
        self.n_with_la += bool((case.target == Structure.LA).any())
        if "LA-above-LV" in case.flags:
            self.la_above.append(item)
        if len(self.patients) == 1 and case.view is View.A4C:
            self.first_lv_px[case.instant] = int((case.target == Structure.LV).sum())

    def tell(self, report: ImportReport, options: Options) -> None:
        """Write the counts to the report.

        Raises:
            DatasetError: More than one in a hundred left atria are above the ventricle.
        """
        report.check("patients", 500, len(self.patients))
        report.check("stills", 2000, self.n_stills)
        for view, expected in ((View.A4C, "288/165/47"), (View.A2C, "217/214/69")):
            found = "/".join(str(self.qualities[view][quality]) for quality in _QUALITIES)
            report.check(f"{_FILE_VIEWS[view]} views of quality {'/'.join(_QUALITIES)}", expected, found)
        areas = " > ".join(str(self.first_lv_px.get(instant, "none")) for instant in Instant)
        report.check("pixels of LV, first patient, 4CH, ED > ES", "33363 > 18261", areas)
        n_stray = sum(self.stray.values())
        done = "removed" if options.keep_largest else "would remove"
        report.check(f"pixels that keep_largest {done}", "few", f"{n_stray} in {len(self.stray)} stills")
        if self.ends_like_stills:
            same, n = sum(self.ends_like_stills), len(self.ends_like_stills)
            report.check("ends of half sequences with the stills' labels", n, same)
        if self.odd_spacings:
            report.note(
                f"Unusual pixel spacing (row, column) in mm in {len(self.odd_spacings)} stills, "
                f"first {self.odd_spacings[0]}; usual are {_USUAL_SPACINGS}."
            )
        if self.la_above:
            listed = ", ".join(self.la_above[:20])
            report.note(f"Left atrium above the left ventricle in {len(self.la_above)} stills: {listed}.")
            if len(self.la_above) > 0.01 * self.n_with_la:
                raise DatasetError.about(
                    NAME,
                    self.la_above[0],
                    "left atrium above the left ventricle",
                    "LA below LV (probe on top)",
                    f"{len(self.la_above)} of {self.n_with_la} stills the other way: {listed}",
                    "The pictures are flipped or transposed.",
                )


def _above(target: np.ndarray) -> bool:
    """Whether the centroid of LA is above that of LV."""
    rows = [np.nonzero(target == structure)[0] for structure in (Structure.LA, Structure.LV)]
    return all(row.size for row in rows) and bool(rows[0].mean() < rows[1].mean())


def _refuse_empty(folder: Path) -> None:
    raise DatasetError.about(NAME, folder, "a patient's folder without files", "four stills", "an empty folder")


class _Reader:
    """Reads the files of one layout."""

    def __init__(self, root: Path, layout: Layout, options: Options, hints: Mapping[str, str]) -> None:
        self.root = root
        self.layout = layout
        self.options = options
        self.hints = hints
        self.census = _Census()

    def _case(
        self, patient: Patient, view: View, instant: Instant | None, frame: int, stored: StoredImage,
        image: np.ndarray, target: np.ndarray | None, quality: str,
    ) -> Case:  # fmt: skip
        states = _UNLABELLED if target is None else PATTERN
        flags = () if instant else ("sequence",)
        if target is None:
            target = np.zeros_like(image)
            flags = ("no-labels",)
        else:
            kept = _largest(target)
            if n_stray := int((kept != target).sum()):
                name = f"{patient.name}_{_FILE_VIEWS[view]}_{instant or frame}"
                self.census.stray[name] = n_stray
                target = kept if self.options.keep_largest else target
            if not (target == Structure.LA).any():
                flags = (*flags, "no-LA")
            elif _above(target):
                flags = (*flags, "LA-above-LV")
        return Case(
            dataset=NAME,
            group_name=patient.name,
            frame=frame,
            image=image,
            target=target,
            states=dict(states),
            pixel_spacing_mm=stored.pixel_spacing_mm,
            view=view,
            instant=instant,
            source=stored.pixel_file.relative_to(self.root).as_posix(),
            source_sha256=stored.sha256,
            quality=quality,
            flags=flags,
            split_hint=self.hints.get(patient.name, ""),
        )

    def _info(self, patient: Patient, view: View) -> dict[str, str]:
        return _read_info(patient.folder / f"Info_{_FILE_VIEWS[view]}.cfg", needed=self.layout.kind != "FLAT")

    def still(self, patient: Patient, view: View, instant: Instant) -> Case:
        """The image of one view and instant; the file name gives the instant."""
        info = self._info(patient, view)
        stem = f"{patient.folder.name}_{_FILE_VIEWS[view]}_{instant}"
        stored = _read(_needed(patient.folder, stem, self.layout.kind))
        image = _intensities(stored, 2)
        gt = _stored(patient.folder, f"{stem}_gt", self.layout.kind)
        if gt is None and patient.name.startswith("testing_"):
            target = None
        else:
            target = _labels(_read(gt or _needed(patient.folder, f"{stem}_gt", self.layout.kind)), stored)
        return self._case(patient, view, instant, 0, stored, image, target, info.get("imagequality", ""))

    def half_sequence(self, patient: Patient, view: View, stills: Mapping[Instant, Case]) -> list[Case]:
        """The frames between ED and ES; the two ends are the stills, and are checked against them."""
        info = self._info(patient, view)
        stem = f"{patient.folder.name}_{_FILE_VIEWS[view]}_half_sequence"
        stored = _read(_needed(patient.folder, stem, self.layout.kind))
        images = _intensities(stored, 3)
        targets = _labels(_read(_needed(patient.folder, f"{stem}_gt", self.layout.kind)), stored)
        cfg = patient.folder / f"Info_{_FILE_VIEWS[view]}.cfg"
        ends = self._ends(cfg, info, len(images))
        for instant, frame in ends.items():
            if instant in stills:
                still = stills[instant].target
                self.census.ends_like_stills.append(np.array_equal(still, targets[frame]))
        return [
            self._case(patient, view, None, frame, stored, images[frame], targets[frame], info.get("imagequality", ""))
            for frame in range(1, len(images) - 1)
        ]

    @staticmethod
    def _ends(cfg: Path, info: Mapping[str, str], n_frames: int) -> dict[Instant, int]:
        """Index from 0 of ED and ES, which are the two ends of a half sequence, in either order."""
        try:
            first, last, n_said = (int(info[key]) for key in ("ed", "es", "nbframe"))
        except (KeyError, ValueError) as error:
            raise DatasetError.about(NAME, cfg, "ED, ES, NbFrame", "three frame numbers", f"{error}") from error
        if n_said != n_frames or {first, last} != {1, n_said}:
            raise DatasetError.about(
                NAME,
                cfg,
                "ED and ES are not the ends of the half sequence",
                f"1 and {n_frames} of {n_frames} frames",
                f"ED {first}, ES {last}, NbFrame {n_said}",
            )
        return {Instant.ED: first - 1, Instant.ES: last - 1}

    def read(self, report: ImportReport) -> Iterator[Case]:
        """All cases of the layout."""
        for patient in self.layout.patients:
            if not any(patient.folder.iterdir()):
                report.found += len(View) * len(Instant)
                report.attempt(patient.name, _refuse_empty, patient.folder)
                continue
            for view, file_view in _FILE_VIEWS.items():
                stills: dict[Instant, Case] = {}
                for instant in Instant:
                    item = f"{patient.name}_{file_view}_{instant}"
                    report.found += 1
                    case = report.attempt(item, self.still, patient, view, instant)
                    if case is not None and self._usable(case, item, report):
                        stills[instant] = case
                        self.census.count(case, item)
                        yield case
                if self.options.sequences:
                    item = f"{patient.name}_{file_view}_half_sequence"
                    report.found += 1
                    for case in report.attempt(item, self.half_sequence, patient, view, stills) or ():
                        if self._usable(case, f"{item} frame {case.frame}", report):
                            yield case

    @staticmethod
    def _usable(case: Case, item: str, report: ImportReport) -> bool:
        """Whether LV and LVM are drawn, as they are in every view of this data set; otherwise the case is skipped."""
        if case.states[Structure.LV] is State.UNKNOWN:
            return True
        drawn = set(np.unique(case.target))
        empty = [structure.name for structure in (Structure.LV, Structure.LVM) if structure not in drawn]
        if empty:
            report.skip(f"{' and '.join(empty)} empty", item)
        return not empty


def read_cases(root: Path, options: Options, report: ImportReport) -> Iterator[Case]:
    """Yield every still of a CAMUS download, patient by patient.

    Both releases can be read: the current `database_nifti`, and the MetaImage files of 2019, whose `training` and
    `testing` number their patients separately. Nothing is reoriented. All structures of a label map count as labelled;
    in a still of `testing` without a label map, none do.

    Args:
        root: The download, or any level of it down to the patients' folder.
        options: Options of the import.
        report: Counts, remarks and the self-check.

    Raises:
        DatasetError: Nothing under the root is recognised, or a file does not follow the format.
    """
    root = Path(root)
    layout = find_layout(root, report)
    if options.sequences and layout.kind != "NEW":
        raise DatasetError.about(
            NAME,
            layout.base,
            "no labelled half sequences",
            "the NIfTI release",
            f"layout {layout.kind}",
            "Set the option sequences to false.",
        )
    hints = read_hints(layout, options, report)
    if hints is not None:
        layout = replace(layout, patients=[patient for patient in layout.patients if patient.name in hints])
    reader = _Reader(root, layout, options, hints or {})
    yield from reader.read(report)
    reader.census.tell(report, options)
