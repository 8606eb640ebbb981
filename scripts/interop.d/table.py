"""Prints what scripts/interop has found of the clients as one table: a row for each check, a column for each client.

Takes the folder with the verdicts and the names of the parts that ran. After `--write` and the path of docs/reference/interop.md
it puts the table there, and those of the libraries, each between the marks of its place.
"""

import json
import re
import sys
from pathlib import Path

# What was not asked is no verdict: no such thing with this algorithm, or of this client.
SHOWN = {True: "✓", False: "NO", None: "–"}


def table(found):
    """Markdown: the checks in the order in which they were made, and the algorithms in the order of their columns."""
    columns, rows = [], []
    for each in found:
        for check, verdicts in each["verdicts"].items():
            if check not in rows:
                rows.append(check)
            columns += [(each["name"], algorithm) for algorithm in verdicts if (each["name"], algorithm) not in columns]
    held = {(each["name"], check): verdicts for each in found for check, verdicts in each["verdicts"].items()}
    lines = [["check", *(" ".join(column) for column in columns)]]
    for check in rows:
        lines.append([check, *(SHOWN[held.get((name, check), {}).get(algorithm)] for name, algorithm in columns)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * widths[0], *(f":{'-' * (width - 2)}:" for width in widths[1:])])
    cells = [[cell.ljust(width) if at == 0 else cell.center(width) for at, (cell, width) in enumerate(zip(line, widths))] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


page = None
if sys.argv[1] == "--write":
    page = Path(sys.argv[2])
    del sys.argv[1:3]
folder, *parts = sys.argv[1:]
files = [Path(folder) / f"{part}.json" for part in parts]
found = [json.loads(file.read_text()) for file in files if file.exists()]
if found and page is None:
    print("\n" + table(found))
elif found:
    text = page.read_text()
    printed = {place: (Path(folder) / f"{place}.md").read_text().strip() for place in ("libraries", "snippets", "gateways")}
    for place, new in {"clients": table(found), **printed}.items():
        marks = f"<!-- {place}: printed by scripts/interop -->", f"<!-- {place}: end -->"
        inside = re.escape(marks[0]) + ".*?" + re.escape(marks[1])
        text, times = re.subn(inside, lambda _: f"{marks[0]}\n\n{new}\n\n{marks[1]}", text, flags=re.DOTALL)
        assert times == 1, f"{page} has {times} places for the {place}"
    page.write_text(text)
    print(f"wrote {page}")
