"""The ten official folds of CAMUS, as numbers of `patientXXXX` in the release of 500 patients.

The lists come from the repository gillesvntnu/GCN_multistructure, under the MIT licence:

Copyright (c) 2023 Gilles Van De Vyver

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

import logging
import re
from pathlib import Path

import pandas as pd

from labeldropout.data.camus import NAME
from labeldropout.data.camus.release import shipped_fold
from labeldropout.labels import Part

_LOG = logging.getLogger(__name__)

PART_OF_WORD = {"training": Part.TRAINING, "validation": Part.VALIDATION, "testing": Part.TEST}
"""The data set's own words for the three parts."""

_OLD_RELEASE = re.compile(r"(?:training|testing)_")

_TEST = {
    1: "1-10 12-24 26 28-30 32-41 43-46 50 53 55 58 61 179 413 414 446",
    2: ("42 48 49 54 57 59 62 63 65-80 82-88 90 93 95 96 100-104 106 111 112 114 119 183 195 196 430 431"),
    3: "56 81 89 91 92 94 97-99 107-110 113 115-118 120-138 140 141 147-153 156 159-161",
    4: ("105 139 142-146 154 155 157 158 162-178 180-182 184-186 188 190 192 193 198 202-205 207 209-212 216 222"),
    5: (
        "27 47 51 52 187 189 191 194 197 199 201 208 213-215 217-221 223-228 231 234 237-243 246 248 251 252 254 258 "
        "260-263 266 269 273 275 276"
    ),
    6: (
        "200 206 230 232 233 235 236 244 245 247 249 250 253 255-257 259 264 265 267 268 270-272 279 280 282-284 "
        "286-292 294 297-299 303-305 308 314 315 328 333 334 341"
    ),
    7: (
        "274 277 278 281 285 293 295 296 300-302 306 307 309-313 316-327 329 331 332 337-340 342-344 346-352 354 355 "
        "357"
    ),
    8: "229 330 335 336 345 353 356 358-391 393 394 396-398 400-403",
    9: "11 25 392 395 399 404-412 415-428 432-445 447-453 459",
    10: "31 60 64 429 454-458 460-500",
}


N_FOLDS = len(_TEST)


N_PATIENTS = 500


def _numbers(fold: int) -> set[int]:
    numbers: set[int] = set()
    for item in _TEST[fold].split():
        first, _, last = item.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def official_fold(fold: int) -> dict[str, Part]:
    """Part of each of the 500 patients in one official fold: 400 training, 50 validation, 50 test.

    The validation patients of a fold are the test patients of the next (of the first, for the last).

    Args:
        fold: 1 to 10.

    Raises:
        ValueError: There is no such fold.
    """
    if fold not in _TEST:
        raise ValueError(f"{NAME}: no fold {fold} (expected 1 to {N_FOLDS}).")
    test, validation = _numbers(fold), _numbers(fold % N_FOLDS + 1)
    parts = {}
    for number in range(1, N_PATIENTS + 1):
        part = Part.TEST if number in test else Part.VALIDATION if number in validation else Part.TRAINING
        parts[f"patient{number:04d}"] = part
    return parts


def fold_parts(groups: pd.DataFrame, fold: int, root: Path | None) -> dict[str, Part]:
    """Part of every patient in an official fold, checked against the data set's own lists if it has them.

    Args:
        groups: `patient` and `group_name` of every patient.
        fold: 1 to 10.
        root: The data set's own folder, if available.

    Raises:
        ValueError: The fold does not exist, the release is the older one, a patient is in no fold, or lists disagree.
    """
    old = sorted(name for name in groups["group_name"] if _OLD_RELEASE.match(name))
    if old:
        raise ValueError(
            f"{NAME}: {old[0]}: the official folds number the 500 patients of the NIfTI release, and how training/ and "
            "testing/ of the older release map to them is not known (expected patientXXXX). Use split.source random."
        )
    parts = official_fold(fold)
    unknown = sorted(set(groups["group_name"]) - set(parts))
    if unknown:
        raise ValueError(
            f"{NAME}: {unknown[0]} is in no official fold (expected patient0001 to patient{len(parts):04d})."
        )
    for name, word in (shipped_fold(root, fold) if root else {}).items():
        if parts.get(name) is not PART_OF_WORD[word]:
            raise ValueError(
                f"{NAME}: {root}: listSubGroups, fold {fold}: {name} differs from the official fold "
                f"(expected {parts.get(name)}, found {word})."
            )
    if len(groups) < len(parts):
        _LOG.warning("%s: official fold %d has %d patients, of which %d are here.", NAME, fold, len(parts), len(groups))
    return {row.patient: parts[row.group_name] for row in groups.itertuples()}
