"""How long the report page takes to open in headless Chromium, beside an empty page in the same browser.

Run: python benchmarks/opening.py results/report.html [--rounds 5]
The browser is the one of the tests; seconds to the load event go to standard output.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from browser import chromium


def main() -> None:
    """Open both pages in turns, at a desk and on a phone, and print medians."""
    parser = argparse.ArgumentParser(description="Seconds to open a report.", allow_abbrev=False)
    parser.add_argument("page", type=Path, help="report.html")
    parser.add_argument("--rounds", type=int, default=5, help="times that each page is opened")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "empty.html")
        empty.write_text("<!doctype html><title>empty</title>")
        for name, size in (("desk", (1400, 900)), ("phone", (390, 844))):
            seconds: dict[Path, list[float]] = {arguments.page: [], empty: []}
            for number in range(arguments.rounds):
                for page, found in seconds.items():
                    with chromium(Path(folder, f"{name}-{number}-{page.stem}")) as browser:
                        found.append(browser.open(page.resolve().as_uri(), *size))
            report, nothing = (statistics.median(found) for found in seconds.values())
            print(f"{name}: {report:.2f} s to the load event, an empty page {nothing:.2f} s")


if __name__ == "__main__":
    main()
