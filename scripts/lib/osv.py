"""Asks OSV (https://osv.dev) for known vulnerabilities of crates.

    cargo tree --prefix none --format '{p}' … | osv.py [URL]

Exit code: 0 none is known, 1 some are, 3 it could not be asked.
"""

import json
import sys
import urllib.error
import urllib.request

BATCH = 500
PATIENCE = 30  # seconds


def ask(url, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def known(url, packages):
    """Pairs of a package and the ids of what is known of it."""
    for start in range(0, len(packages), BATCH):
        waiting = [
            {"package": {"name": name, "ecosystem": "crates.io"}, "version": version}
            for name, version in packages[start : start + BATCH]
        ]
        while waiting:
            results = ask(url, "/v1/querybatch", {"queries": waiting})["results"]
            if len(results) != len(waiting):
                raise ValueError("an answer to every question is missing")
            more = []
            for query, result in zip(waiting, results):
                for found in result.get("vulns", []):
                    yield query["package"]["name"], query["version"], found["id"]
                if result.get("next_page_token"):
                    more.append({**query, "page_token": result["next_page_token"]})
            waiting = more


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "https://api.osv.dev"
    # `name v1.2.3`, and for one of ours its path.
    lines = {line.strip() for line in sys.stdin if line.strip() and "(/" not in line}
    packages = sorted({(name, version.lstrip("v")) for name, version in (line.split()[:2] for line in lines)})
    if not packages:
        sys.exit("no crate to ask for")
    try:
        found = sorted(set(known(url, packages)))
    except (OSError, ValueError, KeyError) as error:
        print(f"OSV could not be asked about {len(packages)} crates: {error}", file=sys.stderr)
        sys.exit(3)
    for name, version, identity in found:
        print(f"{name} {version}: {identity}, https://osv.dev/vulnerability/{identity}")
    print(f"{len(packages)} crates, {len(found)} known vulnerabilities", file=sys.stderr)
    sys.exit(1 if found else 0)


main()
