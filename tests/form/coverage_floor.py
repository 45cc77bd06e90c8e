"""Print the coverage of each module, and fail where one fell below its floor.

    coverage json -o out/coverage.json && python tests/form/coverage_floor.py out/coverage.json

Floors stand in `tests/form/coverage.json`, two points below what was measured, since a few lines
depend on the order in which sockets become ready. `--raise` writes higher floors; none is lowered
by it. A module without a floor needs NEW_MODULE_MIN per cent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FLOORS = Path(__file__).with_name("coverage.json")
NEW_MODULE_MIN = 85
SLACK = 2


def measured(report: Path) -> dict[str, int]:
    """Return whole per cents of covered lines by module path."""
    files = json.loads(report.read_text("utf-8"))["files"]
    return {name: int(entry["summary"]["percent_covered"]) for name, entry in sorted(files.items())}


def below(found: dict[str, int], floors: dict[str, int]) -> list[str]:
    """Return one sentence for each module below its floor."""
    return [
        f"{name}: {percent} % of the lines are covered, {floors.get(name, NEW_MODULE_MIN)} % were."
        for name, percent in found.items()
        if percent < floors.get(name, NEW_MODULE_MIN)
    ]


def raised(found: dict[str, int], floors: dict[str, int]) -> dict[str, int]:
    """Return the floors with those of better covered modules raised, and gone modules left out."""
    return {name: max(percent - SLACK, floors.get(name, 0)) for name, percent in found.items()}


def main(arguments: list[str]) -> int:
    """Print the table, write raised floors with `--raise`, and return 1 below a floor."""
    found = measured(Path(arguments[0]))
    floors: dict[str, int] = json.loads(FLOORS.read_text("utf-8")) if FLOORS.exists() else {}
    for name, percent in found.items():
        print(f"{percent:4d} %  {name}")
    if "--raise" in arguments:
        FLOORS.write_text(json.dumps(raised(found, floors), indent=2) + "\n", "utf-8")
        return 0
    sentences = below(found, floors)
    print("\n".join(sentences))
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
