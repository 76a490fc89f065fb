"""A hash of what a piece of code means: of all definitions that it can reach, ignoring prose and file names.

The workflow passes it to every rule as a parameter. A corrected loss therefore retrains the models that use it; a
changed comment, docstring or line break, or a moved module, retrains nothing. The code is read, never imported, and
only the standard library is needed, because the Snakefile computes fingerprints each time it is parsed. Each file is
read once per process.

Reach is overestimated. A definition is reached if a reached definition names it, on any branch; a class is reached as a
whole; of a table that the caller narrows (such as `LOSSES`), only the chosen entries are reached. Names are resolved
statically, so the package takes them from modules (`from labeldropout.x import f`, or `from labeldropout import x` and
`x.f`) and never looks one up by a string.
"""

import ast
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "labeldropout"
SOURCE = Path(__file__).resolve().parents[1]
"""The folder that holds the running package."""

Place = tuple[str, str]
"""A dotted module, and a name at its top level, empty for the module itself."""
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_HAS_EFFECTS = (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.Match, ast.AugAssign, ast.Assert, ast.Delete)


@dataclass(frozen=True)
class _Module:
    """The top level of one file."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """The statements that give a name its meaning."""
    imports: dict[str, Place] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)
    """What else happens when the file is imported."""


def _file(module: str, source: Path) -> Path | None:
    """The file of a dotted name; None if the package has no such module."""
    stem = source.joinpath(*module.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file()), None)


def _is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == PACKAGE


def _is_prose(node: ast.AST) -> bool:
    """Whether a statement is nothing but a string: a docstring, or a sentence beneath a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(nodes: Iterable[ast.AST], source: Path) -> dict[str, Place]:
    """What the import statements among these nodes bind to which name."""
    found: dict[str, Place] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                found[alias.asname or first] = (alias.name if alias.asname else first, "")
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                is_module = _is_ours(below) and _file(below, source) is not None
                found[alias.asname or alias.name] = (below, "") if is_module else (node.module, alias.name)
    return found


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names to which a statement at the top level gives a meaning."""
    if isinstance(statement, _Definition):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, _Definition):
            yield node.name


@cache
def _module(name: str, source: Path) -> _Module:
    path = _file(name, source)
    if path is None:
        raise ValueError(f"{source}: no module {name} (imported, or named in a rule).")
    content = _Module()
    for statement in ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body:
        if _is_prose(statement):
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            content.imports.update(_imports([statement], source))
        elif isinstance(statement, ast.Expr):
            content.effects.append(statement)
        else:
            names = list(_bound(statement))
            for each in names:
                content.definitions.setdefault(each, []).append(statement)
            if not names or isinstance(statement, _HAS_EFFECTS):
                content.effects.append(statement)
                content.imports.update(_imports(ast.walk(statement), source))
    return content


def _origin(place: Place, source: Path) -> Place | None:
    """Where a name is defined, followed through modules that only re-export it; None if outside the package.

    Raises:
        ValueError: A module of the package does not have the name.
    """
    module, name = place
    while _is_ours(module):
        content = _module(module, source)
        if not name or name in content.definitions:
            return module, name
        if name not in content.imports:
            raise ValueError(f"{source}: {module} does not define {name} (imported, or named in a rule).")
        module, name = content.imports[name]
    return None


def _keys(statement: ast.stmt, name: str) -> list[ast.Constant]:
    """The keys of a table.

    Raises:
        ValueError: It is not a table, or a key is not written out.
    """
    table = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    keys = table.keys if isinstance(table, ast.Dict) else getattr(table, "elts", None)
    if keys is None or not all(isinstance(key, ast.Constant) for key in keys):
        raise ValueError(f"{name}: not a table whose keys are written out.")
    return keys


def keys_of(module: str, name: str, source: Path = SOURCE) -> tuple[str, ...]:
    """The keys of a table, read without importing its module, so that the Snakefile need not load torch.

    Args:
        module: Name of the module below the package, such as `losses`.
        name: Name of the table, such as `LOSSES`.
        source: The folder that holds the package.

    Raises:
        ValueError: There is no such table.
    """
    statements = _module(f"{PACKAGE}.{module}", source).definitions.get(name)
    if not statements:
        raise ValueError(f"{source}: {module} does not define {name}.")
    return tuple(key.value for key in _keys(statements[0], name))


def _narrowed(statement: ast.stmt, name: str, chosen: Collection[str]) -> ast.stmt:
    """A table with only the entries whose key was chosen; for a choice `key.field`, with only that field of the entry.

    Raises:
        ValueError: It is not a table, a key is not written out, or a chosen field is not written out in its entry.
    """
    keys = _keys(statement, name)
    table = statement.value
    entries: list[ast.expr] = list(table.values) if isinstance(table, ast.Dict) else list(keys)
    kept: list[ast.expr] = []
    for key, entry in zip(keys, entries, strict=True):
        fields = {choice.removeprefix(f"{key.value}.") for choice in chosen if choice.startswith(f"{key.value}.")}
        if key.value in chosen:
            kept.append(ast.Tuple([key, entry]))
        elif fields:
            kept.append(ast.Tuple([key, *_fields(entry, fields, f"{name}, {key.value}")]))
    return ast.Assign([ast.Name(name)], ast.Tuple(kept))


def _fields(entry: ast.expr, chosen: Collection[str], where: str) -> list[ast.expr]:
    """The values of some keyword arguments, each preceded by its name.

    Raises:
        ValueError: One of them is not written out in the entry.
    """
    given = {word.arg: word.value for word in entry.keywords} if isinstance(entry, ast.Call) else {}
    missing = sorted(set(chosen) - set(given))
    if missing:
        raise ValueError(f"{where}: does not write out {missing[0]}, which was chosen.")
    return [part for name in sorted(chosen) for part in (ast.Constant(name), given[name])]


class _Meaning:
    """One statement as words that do not depend on its location, and the places that it names."""

    def __init__(self, statement: ast.stmt, module: str, source: Path) -> None:
        self.source = source
        self.module = module
        self.content = _module(module, source)
        self.imports = self.content.imports | _imports(ast.walk(statement), source)
        self.named: list[Place] = []
        self.foreign: set[str] = set()
        self.words: list[str] = []
        self._tell(statement)

    def __str__(self) -> str:
        return " ".join([*self.words, *sorted(self.foreign)])

    def _tell(self, node: object) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.expr_context):
            return
        if isinstance(node, ast.AST):
            if _is_prose(node):
                return
            if isinstance(node, ast.Name):
                self._tell_name(node.id)
            elif isinstance(node, ast.Attribute) and (module := self._our_module(node.value)):
                self._tell_origin((module, node.attr))
            else:
                self.words.append(type(node).__name__)
                for key, value in ast.iter_fields(node):
                    if value is not None and value != []:
                        self.words.append(f"{key}:")
                        self._tell(value)
                self.words.append(";")
        elif isinstance(node, list):
            for each in node:
                self._tell(each)
        else:
            self.words.append(repr(node))

    def _our_module(self, node: ast.expr) -> str | None:
        """The module of the package that an expression names."""
        place = self.imports.get(node.id) if isinstance(node, ast.Name) else None
        return place[0] if place and not place[1] and _is_ours(place[0]) else None

    def _tell_name(self, name: str) -> None:
        if name in self.imports:
            self._tell_origin(self.imports[name], name)
        else:
            self.words.append(name)
            if name in self.content.definitions:
                self.named.append((self.module, name))

    def _tell_origin(self, place: Place, name: str = "") -> None:
        origin = _origin(place, self.source)
        if origin is None:
            self.foreign.add(f"{name or place[1]}={'.'.join(part for part in place if part)}")
            self.words.append(name or place[1])
        elif origin[1]:
            self.words.append(origin[1])
            self.named.append(origin)
        else:  # a module as a value: everything that it defines
            self.words.append("module")
            self.named += [(origin[0], each) for each in _module(origin[0], self.source).definitions]


@cache
def _told(place: Place, chosen: frozenset[str] | None, source: Path) -> tuple[str, tuple[Place, ...]]:
    """The meaning of one definition, and the places that it names."""
    module, name = place
    content = _module(module, source)
    statements = content.definitions[name] if name else content.effects
    if chosen is not None:
        statements = [_narrowed(statement, name, chosen) for statement in statements]
    meanings = [_Meaning(statement, module, source) for statement in statements]
    return "\n".join(map(str, meanings)), tuple(named for meaning in meanings for named in meaning.named)


Entry = str | Callable[..., Any]
"""`module:name`, the module below the package, as in `learning.train:train_model`; or the function itself."""


def reached(
    *entries: Entry, choices: Mapping[str, Collection[str]] | None = None, source: Path = SOURCE
) -> dict[Place, str]:
    """The meaning of every reachable definition, by its place; effects of imports have an empty name.

    Args:
        entries: Where to start.
        choices: By name of a table (a dictionary, tuple, list or set with its keys written out), the keys that count;
            `key.field` counts only one keyword argument of the entry, which must be a call.
        source: The folder that holds the package.

    Raises:
        ValueError: A module or a name does not exist, or a narrowed table is not such a table.
    """
    narrowed = choices or {}
    waiting: list[Place] = []
    for entry in entries:
        if isinstance(entry, str):
            module, _, name = f"{PACKAGE}.{entry}".partition(":")
        else:
            module, name = entry.__module__, entry.__name__
        origin = _origin((module, name), source)
        if origin is None:
            raise ValueError(f"{entry}: not defined in {PACKAGE}.")
        waiting.append(origin)
    found: dict[Place, str] = {}
    while waiting:
        place = waiting.pop()
        if place not in found:
            chosen = frozenset(narrowed[place[1]]) if place[1] in narrowed else None
            found[place], named = _told(place, chosen, source)
            waiting += [(place[0], ""), *named]
    return found


@cache
def _digest(entries: tuple[Entry, ...], choices: tuple[tuple[str, tuple[str, ...]], ...], source: Path) -> str:
    meanings = reached(*entries, choices=dict(choices), source=source).values()
    return hashlib.sha256("\n".join(sorted(filter(None, meanings))).encode()).hexdigest()[:16]


def fingerprint(*entries: Entry, choices: Mapping[str, Collection[str]] | None = None, source: Path = SOURCE) -> str:
    """Sixteen hexadecimal digits that change if, and only if, the meaning of something reachable changes.

    Args:
        entries: As for `reached`.
        choices: As for `reached`.
        source: As for `reached`.

    Raises:
        ValueError: As for `reached`.
    """
    fixed = tuple(sorted((name, tuple(sorted(keys))) for name, keys in (choices or {}).items()))
    return _digest(entries, fixed, source)
