"""Prints the licences of all crates that the binary contains, each text once, with the crates it is for.

    licences.py METADATA    METADATA: what `cargo metadata --format-version 1 --filter-platform …` printed

Fails when a crate comes with no text and its licence is none whose text is among the others.
"""

import json
import pathlib
import re
import sys

NAMED = re.compile(r"^(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)


def contained(metadata):
    """The packages that end up in the binary: its normal dependencies, and theirs."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    todo = [one for one, package in packages.items() if package["name"] == "countersign"]
    found = set()
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.add(one)
        for dependency in nodes[one]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                todo.append(dependency["pkg"])
    ours = set(metadata["workspace_members"])
    return sorted((packages[one] for one in found - ours), key=lambda p: (p["name"], p["version"]))


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    files = {path for path in folder.iterdir() if path.is_file() and NAMED.match(path.name)}
    if package.get("license_file"):
        files.add((folder / package["license_file"]).resolve())
    # Some keep them in a folder, as REUSE asks.
    files.update(path for path in folder.glob("LICENSES/*") if path.is_file())
    return [path.read_text(errors="replace").strip() for path in sorted(files)]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        packages = contained(json.load(file))
    by_text, without = {}, []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        found = texts(package)
        if not found:
            without.append((name, package))
        for text in found:
            # The same text with other line breaks is the same text.
            _, names = by_text.setdefault(" ".join(text.split()), (text, []))
            names.append(name)
    print(f"Countersign contains {len(packages)} crates of others. Their licences:")
    print()
    for package in packages:
        authors = ", ".join(re.sub(r"\s*<[^>]*>", "", author) for author in package["authors"])
        licence = package["license"] or "see below"
        print(f"  {package['name']} {package['version']}: {licence}" + (f" ({authors})" if authors else ""))
    for text, names in sorted(by_text.values(), key=lambda entry: -len(entry[1])):
        print("\n" + "-" * 80 + "\n")
        print("For " + ", ".join(names) + "\n")
        print(text)
    known = {one for package in packages if texts(package) for one in split(package)}
    lacking = [name for name, package in without if not known & set(split(package))]
    if lacking:
        sys.exit("no text of a licence for: " + ", ".join(lacking))


def split(package):
    return re.split(r"\s+(?:OR|AND)\s+|/|[()]", package["license"] or "")


main()
