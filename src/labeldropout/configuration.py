"""Configurations: reading them, overlaying them on the default one, and checking them against their schema."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from labeldropout.messages import did_you_mean

DEFAULTS = Path("config/config.yaml")


SCHEMA = Path("workflow/schemas/config.schema.yaml")


def overlay(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others merged over them, section by section, as Snakemake does with its configuration files."""
    result = dict(settings)
    for key, value in over.items():
        below = result.get(key)
        result[key] = (
            overlay(below if isinstance(below, Mapping) else {}, value) if isinstance(value, Mapping) else value
        )
    return result


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which takes the last of two equal keys; this one refuses them."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.composer.ComposerError(None, None, f"{key.value!r} appears twice", key.start_mark)
            seen.add(str(key.value))
        return node


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values, in which no key of a mapping is there twice.

    Args:
        path: The file, in UTF-8.

    Raises:
        ValueError: It is not YAML, has a key twice, or holds something else than keys and values.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({error}).") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected keys with values, found {type(content).__name__}.")  # noqa: TRY004 - a bad file, not a bad argument
    return content


def read_configuration(path: Path, root: Path) -> dict[str, Any]:
    """A configuration merged over the default one, as the workflow reads it.

    Args:
        path: The configuration.
        root: Folder of the workflow.

    Raises:
        ValueError: The file is not YAML, has a key twice or one that the schema does not know, or a value that it does
            not allow.
    """
    config, schema = overlay(read_yaml(root / DEFAULTS), read_yaml(path)), read_yaml(root / SCHEMA)
    check_keys(config, schema, str(path))
    check_values(config, schema, str(path))
    return config


def nearest(name: str, valid: list[str]) -> str:
    """A sentence that gives the closest valid name, or all of them if none is close."""
    return did_you_mean(name, valid) or f"Valid names: {', '.join(sorted(valid))}."


def _reference(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, or the definition under `$defs` that it points to."""
    name = schema.get("$ref")
    return root["$defs"][name.removeprefix("#/$defs/")] if name else schema


def _unknown(content: Any, schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    schema = _reference(schema, root)
    if not isinstance(content, dict):
        return
    known = schema.get("properties", {})
    for key, value in content.items():
        if key in known:
            yield from _unknown(value, known[key], root, f"{path}{key}.")
        elif isinstance(others := schema.get("additionalProperties"), dict):
            for name in [name for name in others.get("required", []) if name not in (value or {})]:
                near = nearest(str(key), list(known))
                yield f"{path + str(key)!r}: {name!r} is missing, which a name of your own needs. {near}"
            yield from _unknown(value, others, root, f"{path}{key}.")
        elif others is False:
            yield f"unknown key {path + str(key)!r}. {nearest(str(key), list(known))}"


def check_keys(content: dict[str, Any], schema: dict[str, Any], where: str) -> None:
    """Refuse keys that the schema does not know.

    A validator only says "additional properties are not allowed"; this says which one, and suggests what was meant.

    Args:
        content: What was read.
        schema: JSON schema; it may refer to definitions under `$defs`.
        where: File, for the message.

    Raises:
        ValueError: There is an unknown key; the message names its path and the nearest valid name.
    """
    problems = list(_unknown(content, schema, schema, ""))
    if problems:
        raise ValueError(f"{where}: {' Also: '.join(problems)}")


def check_values(content: dict[str, Any], schema: dict[str, Any], where: str) -> None:
    """Refuse what the schema does not allow, in one line.

    Args:
        content: What was read.
        schema: JSON schema.
        where: File, for the message.

    Raises:
        ValueError: A value, or a name of a data set, is not allowed; the message has its path and what the schema says
            of it.
    """
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow, and not for the library
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - as above

    wrong = best_match(Draft202012Validator(schema).iter_errors(content))
    if wrong is not None:
        key = ".".join(map(str, wrong.absolute_path)) or "top level"
        meaning = wrong.schema.get("description", "") if isinstance(wrong.schema, dict) else ""
        raise ValueError(f"{where}: {key}: {wrong.message}. {meaning}".rstrip())


def check_columns(found: list[str], expected: tuple[str, ...], where: str) -> None:
    """Refuse a table whose columns are not exactly the expected ones, in any order.

    Args:
        found: The header of the table.
        expected: The columns that it must have.
        where: File, for the message.

    Raises:
        ValueError: A column is missing, unknown or duplicated; the message names the nearest valid name.
    """
    problems = [
        f"unknown column {name!r}. {nearest(str(name), list(expected))}" for name in found if name not in expected
    ]
    problems += [f"column {name!r} is missing." for name in expected if name not in found]
    problems += [f"column {name!r} appears twice." for name in dict.fromkeys(found) if found.count(name) > 1]
    if problems:
        raise ValueError(f"{where}: {' Also: '.join(problems)}")
