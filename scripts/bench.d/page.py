"""The page that `scripts/bench` prints: tables of medians and ratios, and what was aimed at."""

import datetime
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"

# What was asked, by the key of its route: a row of the tables each, in this order. A test compares docs/reference with it.
MEMORY = {
    "token": "Countersign, access token",
    "cookie": "Countersign, session cookie",
    "open": "Countersign, the same route without a guard",
    "open_sent": "Countersign, without a guard, the token sent too",
    "axum": "axum + jsonwebtoken",
    "axum_open": "axum, the same route without a check",
    "express": "Express + jsonwebtoken",
    "fastapi": "FastAPI + PyJWT",
}
STORED = {
    "stored_token": "Countersign, access token",
    "stored_cookie": "Countersign, session cookie",
    "axum_sqlx": "axum + jsonwebtoken + sqlx",
    "fastapi_stored": "FastAPI + PyJWT + SQLAlchemy",
}
# Ratios of requests a second: what, against what, and at least how much of it.
RATIOS = [
    ("token", "open", 0.92, "with the guard ÷ the same route without"),
    ("token", "fastapi", 20, "Countersign ÷ FastAPI + PyJWT"),
    ("token", "express", 15, "Countersign ÷ Express + jsonwebtoken"),
    ("stored_token", "fastapi_stored", 60, "from SQLite: Countersign ÷ FastAPI + SQLAlchemy"),
    ("stored_token", "axum_sqlx", 2, "from SQLite: Countersign ÷ axum + sqlx"),
    ("cookie", "token", 0.8, "session cookie ÷ access token"),
    ("stored_cookie", "stored_token", 0.8, "from SQLite: session cookie ÷ access token"),
]


def ratios(rounds, one, other, figure="rate"):
    """The median of what one is of the other in the same round."""
    return statistics.median(each[one][figure] / each[other][figure] for each in rounds)


def figure(value):
    """With as many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def requests(title, names, rows, rounds, against):
    """One table of requests."""
    lines = [
        f"| {title} | requests/s | of the first | processor time each, µs | p50, ms | p99, ms | MiB idle | MiB after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, name in names.items():
        row = rows[key]
        ratio = "1" if key == against else figure(ratios(rounds, key, against))
        if ratio == "0.00":
            ratio = f"{ratios(rounds, key, against):.4f}"
        cells = [name, f"{row['rate']:,.0f}", ratio]
        cells += [figure(row[column]) for column in ("cpu", "p50", "p99", "idle", "rss")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def targets(rounds, starts, flood, refreshes, logout):
    """Each target: what, measured, aimed at, whether it is met."""
    rows = []
    for one, other, aim, name in RATIOS:
        ratio = ratios(rounds, one, other)
        rows.append((name, figure(ratio), f"≥ {aim}", ratio >= aim))
    at_least = [
        ("logins a second ÷ what one hash allows", flood["logins_of_best"], 0.95),
        ("reads while logins flood ÷ reads alone", flood["reads_kept"], 0.8),
        ("refreshes a second on SQLite, durable", refreshes["refresh"], 10_000),
    ]
    told = logout["LISTEN"]["other_instances"]["p99_ms"]
    at_most = [
        ("a read's p99 while logins flood, ms", flood["reads_p99_beside_logins_ms"], 5),
        ("memory while logins flood, MiB", flood["memory_peak_mib"], 83),
        ("from the answer of `/logout` to 401 on the other instances, p99, ms", told, 100),
        ("resident memory idle, MiB", starts["idle_mib"], 30),
        ("from start to the first answer on SQLite, ms", starts["again_ms"], 100),
        ("the same on a new folder, ms", starts["first_ms"], 100),
    ]
    rows += [(name, figure(value), f"≥ {aim:,}", value >= aim) for name, value, aim in at_least]
    rows += [(name, figure(value), f"≤ {aim:,}", value <= aim) for name, value, aim in at_most]
    return rows


def version(*command):
    """The version that a program tells of itself."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return "unknown"
    found = re.search(r"\d+(\.\d+)+", ran.stdout + ran.stderr)
    return found[0] if found else "unknown"


def machine():
    """What it ran on, without a name or a path."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.M)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    release = Path("/etc/os-release")
    system = re.search(r'PRETTY_NAME="(.+)"', release.read_text()) if release.exists() else None
    return ", ".join([
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} processors",
        f"{int(memory[1]) / 1048576:.0f} GiB",
        system[1] if system else "Linux",
        f"kernel {platform.release().split('-')[0]}",
        f"rustc {version('rustc', '--version')}",
        f"Python {platform.python_version()}",
        f"Node.js {version('node', '--version')}",
        f"wrk {version('wrk', '-v')}",
        f"load {os.getloadavg()[2]:.1f} over the last quarter of an hour",
    ])


def render(rows, rounds, starts, flood, refreshes, logout, plan):
    """The page, the part of it that COMPARE.md quotes, and whether every target is met."""
    aims = targets(rounds, starts, flood, refreshes, logout)
    met = all(aim[3] for aim in aims)
    told, asking = logout["LISTEN"]["other_instances"], logout["polling"]["other_instances"]
    quoted = [
        f"Measured on {datetime.date.today()}: {machine()}. Medians of {plan['rounds']} rounds of "
        f"{plan['seconds']} s; ratios are medians of the ratios of each round. The servers had at least "
        f"{min(row['busy'] for row in rows.values()):.0%} of their processor.",
        "",
        *requests("ten posts from memory", MEMORY, rows, rounds, "token"),
        "",
        *requests("ten posts from SQLite", STORED, rows, rounds, "stored_token"),
    ]
    lines = [
        *quoted,
        "",
        "| logins, refreshes, logouts, start | |",
        "|---|---|",
        f"| one password hash on the server's core, ms | {figure(flood['hash_ms'])} |",
        f"| logins a second on one core, 64 at once | {figure(flood['logins_per_second'])} |",
        f"| reads a second, 16 at once, alone | {figure(flood['reads_per_second_alone'])} |",
        f"| reads a second beside the logins | {figure(flood['reads_per_second_beside_logins'])} |",
        f"| a login's p99, ms | {figure(flood['login_p99_ms'])} |",
        f"| refreshes a second, two cores, durable | {figure(refreshes['refresh'])} |",
        f"| the same through the route | {figure(refreshes['route'])} |",
        f"| what a transaction of two statements allows | {figure(refreshes['transaction'])} |",
        f"| from `/logout` to 401 elsewhere, told by the database: p50, ms | {figure(told['p50_ms'])} |",
        f"| the same behind a pooler, where each instance looks: p50, ms | {figure(asking['p50_ms'])} |",
        f"| start to first answer, folder that is there, ms | {figure(starts['again_ms'])} |",
        f"| start to first answer, new folder, ms | {figure(starts['first_ms'])} |",
        "",
        "| target | measured | aimed at | met |",
        "|---|---|---|---|",
        *(f"| {name} | {value} | {aim} | {'yes' if is_met else '**no**'} |" for name, value, aim, is_met in aims),
    ]
    return "\n".join(lines), "\n".join(quoted), met


def write(path: Path, text: str):
    """Puts the page between its two marks in a document."""
    whole = path.read_text()
    before, _, rest = whole.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{path.name} does not say where the tables stand")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
