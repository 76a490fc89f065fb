"""Trace where results come from, and check whether they are still as recorded."""

from pathlib import Path
from typing import Any

from labeldropout.files import read_json
from labeldropout.running.sidecars import ENDING
from labeldropout.running.verify import ALARMING, Finding, summarise, verify

_MOST_FINDINGS = 40


def read_sidecars(results: Path) -> list[dict[str, Any]]:
    """The provenance of every published table and figure: name, target, commit, models, command."""
    found = []
    for kind in ("figures", "tables", "released"):
        for path in sorted((results / kind).glob(f"*{ENDING}")):
            content = read_json(path)
            found.append(
                {
                    "name": f"{kind}/{path.name.removesuffix(ENDING)}",
                    "target": content["target"],
                    "commit": content["commit"][:12] + ("+changes" if content["commit"].endswith("+changes") else ""),
                    "data": content["data"],
                    "models": len(content["models"]),
                    "settings": content["settings_sha256"][:12],
                    "sha256": {Path(name).name: value[:12] for name, value in content["files"].items()},
                }
            )
    return found


def judge(results: Path, root: Path) -> tuple[str, list[Finding], int, bool]:
    """The outcome of `verify`: its line, the findings worth showing, the number of others, and whether all is well."""
    findings = verify(results, root)
    noted = [finding for finding in findings if finding.state != "as recorded"]
    is_alarming = any(finding.state in ALARMING for finding in findings)
    return summarise(findings), noted[:_MOST_FINDINGS], max(0, len(noted) - _MOST_FINDINGS), is_alarming
