"""`config/claims.yaml`: the claims, what is compared for each, and the numbers by which they are judged."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeldropout.analysis.claims.kinds import KINDS, Bound, Form, Kind, joined
from labeldropout.analysis.study import MEAN
from labeldropout.configuration import nearest, read_yaml

PARTS = ("study", "instrument")
"""The paper's own claims, and those that only our own experiments test."""


REFERENCES = ("dataset", "observer")


IMAGES = ("all", "kit")
"""All test images, or those of the annotation kit."""


_FILE_KEYS = ("level", "margin", "limit", "fewest_patients", "fewest_seeds", "claims")


_CLAIM_KEYS = ("statement", "plain", "where", "item", "part", "reported", "comparisons", "shows")


_PAIRED = ("better", "worse")


_SIDES = {Form.PAIR: _PAIRED, Form.ONE: ("models",), Form.EACH: ("models",), Form.PAIRS: ("pairs",)}
"""Keys under which the sides are declared."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, as declared."""

    kind: Kind
    sides: tuple[tuple[str, ...], ...]
    """Models of every side; several are averaged per image. For a trend: both sides of the first pair, then of the
    second, and so on."""
    dataset: str
    structure: str
    reference: str
    images: str

    @property
    def models(self) -> tuple[str, ...]:
        """Its models, each once."""
        return tuple(dict.fromkeys(name for names in self.sides for name in names))

    @property
    def is_paired(self) -> bool:
        """Whether it has a better and a worse side."""
        return self.kind.form is Form.PAIR


@dataclass(frozen=True)
class Claim:
    """A claim, as declared."""

    name: str
    statement: str
    plain: str
    """The statement as a clause after "that", for readers who know hearts and not networks."""
    where: str
    item: str
    part: str
    reported: str
    """What the paper says where it gives no number."""
    comparisons: tuple[Comparison, ...]
    shows: tuple[Comparison, ...]


@dataclass(frozen=True)
class Declared:
    """The claims and the numbers by which they are judged."""

    level: float
    margin: float
    limit: float
    fewest_patients: int
    fewest_seeds: int
    claims: tuple[Claim, ...]

    def bound(self, kind: Kind) -> float:
        """The margin or limit of a kind; NaN where it has none."""
        return {Bound.MARGIN: self.margin, Bound.LIMIT: self.limit}.get(kind.bound, math.nan)


def _check_mapping(content: Any, where: str) -> None:
    if type(content) is not dict:
        raise ValueError(f"{where}: expected keys with values, found {type(content).__name__}.")


@dataclass(frozen=True)
class Known:
    """What a claim may name."""

    datasets: tuple[str, ...]
    """Data sets of the study's configuration."""
    structures: tuple[str, ...]
    """Its structures."""


def _check_keys(content: Any, known: Iterable[str], where: str, optional: Iterable[str] = ()) -> None:
    _check_mapping(content, where)
    valid = [*known, *optional]
    for key in content:
        if key not in valid:
            raise ValueError(f"{where}: unknown key {key!r}. {nearest(str(key), valid)}")
    for key in known:
        if key not in content:
            raise ValueError(f"{where}: key {key!r} is missing.")


def _word(content: Mapping[str, Any], key: str, valid: Sequence[str], where: str, usual: str = "") -> str:
    word = content.get(key, usual)
    if word not in valid:
        raise ValueError(f"{where}: unknown {key} {word!r}. {nearest(str(word), list(valid))}")
    return str(word)


def _text(content: Mapping[str, Any], key: str, where: str) -> str:
    text = content[key]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}: {key} is {text!r} (expected text).")
    return text


def _names(content: Any, where: str) -> tuple[str, ...]:
    if not isinstance(content, list) or not content or not all(isinstance(name, str) for name in content):
        raise ValueError(f"{where}: expected a list of models, found {content!r}.")
    if len(set(content)) != len(content):
        raise ValueError(f"{where}: a model is named twice in {content}.")
    return tuple(content)


def _sides(kind: Kind, content: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], ...]:
    if kind.form is Form.PAIRS:
        pairs = content["pairs"]
        if not isinstance(pairs, list) or len(pairs) < 2:
            raise ValueError(f"{where}: pairs is {pairs!r} (expected a list of at least two).")
        sides = []
        for place, pair in enumerate(pairs, 1):
            _check_keys(pair, _PAIRED, f"{where}, pair {place}")
            sides += [_names(pair[key], f"{where}, pair {place}: {key}") for key in _PAIRED]
        return tuple(sides)
    if kind.form is Form.PAIR:
        return tuple(_names(content[key], f"{where}: {key}") for key in _PAIRED)
    models = _names(content["models"], f"{where}: models")
    if kind.form is Form.ONE:
        return (models,)
    if len(models) < 2:
        raise ValueError(f"{where}: models is {list(models)} (expected at least two that agree).")
    return tuple((model,) for model in models)


def _comparison(content: Any, where: str, kinds: Sequence[Kind], known: Known) -> Comparison:
    _check_mapping(content, where)
    kind = KINDS[_word(content, "kind", [kind.name for kind in kinds], where)]
    _check_keys(content, ("kind", "dataset", "structure", *_SIDES[kind.form]), where, ("reference", "images"))
    return Comparison(
        kind=kind,
        sides=_sides(kind, content, where),
        dataset=_word(content, "dataset", known.datasets, where),
        structure=_word(content, "structure", (*known.structures, MEAN), where),
        reference=_word(content, "reference", REFERENCES, where, "dataset"),
        images=_word(content, "images", IMAGES, where, "all"),
    )


def _comparisons(content: Any, where: str, kinds: Sequence[Kind], known: Known) -> tuple[Comparison, ...]:
    if not isinstance(content, list) or not content:
        raise ValueError(f"{where}: expected a list of comparisons, found {content!r}.")
    found = tuple(_comparison(entry, f"{where} {place}", kinds, known) for place, entry in enumerate(content, 1))
    if len(set(found)) != len(found):
        raise ValueError(f"{where}: the same comparison stands there twice.")
    return found


def _claim(name: Any, content: Any, file: Path, known: Known) -> Claim:
    where = f"{file}: {name}"
    if not re.fullmatch(r"C[1-9]\d*", str(name)):
        raise ValueError(f"{where}: a claim is named C and a number.")
    _check_keys(content, [key for key in _CLAIM_KEYS if key not in {"reported", "shows"}], where, ("reported", "shows"))
    item = _text(content, "item", where)
    if not re.fullmatch(r"[a-z0-9_]+", item):
        raise ValueError(f"{where}: item {item!r} (expected the name of a target).")
    judged, shown = ([kind for kind in KINDS.values() if kind.is_shown is which] for which in (False, True))
    return Claim(
        name=str(name),
        statement=_text(content, "statement", where),
        plain=_text(content, "plain", where),
        where=_text(content, "where", where),
        item=item,
        part=_word(content, "part", PARTS, where),
        reported=_text(content, "reported", where) if "reported" in content else "",
        comparisons=_comparisons(content["comparisons"], f"{where}, comparison", judged, known),
        shows=_comparisons(content["shows"], f"{where}, shows", shown, known) if "shows" in content else (),
    )


def _number(content: Mapping[str, Any], key: str, file: Path) -> float:
    value = content[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{file}: {key} is {value!r} (expected a number above 0).")
    return value


def _count(content: Mapping[str, Any], key: str, file: Path) -> int:
    value = content[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 2:
        raise ValueError(f"{file}: {key} is {value!r} (expected a whole number of at least 2).")
    return value


def read_claims(path: Path, known: Known) -> Declared:
    """Read the declared claims.

    Args:
        path: The file.
        known: What the study has, and a claim may name.

    Raises:
        ValueError: Something in it is unknown, missing or duplicated; the message names the place and the nearest name.
    """
    content = read_yaml(path)
    _check_keys(content, _FILE_KEYS, str(path))
    if not isinstance(content["claims"], dict) or not content["claims"]:
        raise ValueError(f"{path}: claims: expected claims by name.")
    return Declared(
        level=_number(content, "level", path),
        margin=_number(content, "margin", path),
        limit=_number(content, "limit", path),
        fewest_patients=_count(content, "fewest_patients", path),
        fewest_seeds=_count(content, "fewest_seeds", path),
        claims=tuple(_claim(name, claim, path, known) for name, claim in content["claims"].items()),
    )


def _side(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"the mean of {joined(names)}"


def words_of(comparison: Comparison, bound: float) -> str:
    """Return what a comparison claims, in words, without the cell it is tested in.

    Args:
        comparison: As declared.
        bound: Its margin or limit.
    """
    return comparison.kind.words([_side(names) for names in comparison.sides], bound)
