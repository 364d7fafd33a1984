"""Writes one half of the scanner's test corpus.

    python3 tests/corpus/make.py [--half frozen|second] DIR [--manifest FILE]
    python3 tests/corpus/make.py [--half frozen|second] --digest
    python3 tests/corpus/make.py [--half frozen|second] --table

The keys are made here, from a seed, and are not in the repository. See README.md beside this file.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True

import decoys  # noqa: E402
import planted  # noqa: E402
import second  # noqa: E402
from keys import FROZEN, SECOND, SEEDS  # noqa: E402
from render import KEY_ID, SECRET, render  # noqa: E402

# The files with keys and those without, of each half.
HALVES = {FROZEN: (planted.ALL, decoys.ALL), SECOND: (second.PLANTED, second.DECOYS)}


class Corpus:
    """All files in memory, so that the digest needs no disk and a mistake writes nothing."""

    def __init__(self, half=FROZEN):
        self.half = half
        self.files = {}
        self.findings = []
        self.decoys = []
        for file in HALVES[half][0]:
            found = self.add(file)
            assert found, f"{file.path}: nothing is planted"
            self.findings += found
        for file in HALVES[half][1]:
            found = self.add(file)
            assert not found, f"{file.path}: a decoy holds a key"
            self.decoys.append(file)

    def add(self, file):
        """Renders one file and returns its findings."""
        assert file.path not in self.files, f"{file.path}: twice"
        self.files[file.path], findings = render(file, self.half)
        return findings

    def listing(self):
        """A line for each file, as `sha256sum` prints it, in the order of the paths' bytes."""
        lines = (
            f"{hashlib.sha256(data).hexdigest()}  {path}\n"
            for path, data in sorted(self.files.items())
        )
        return "".join(lines)

    def manifest(self):
        """JSON with one finding or decoy on a line, so that a diff shows what changed."""
        found = sorted(self.findings, key=lambda one: (one.file, one.line, one.rule))
        findings = [{**one._asdict(), "half": self.half} for one in found]
        others = [
            {"file": file.path, "kind": file.form, "half": self.half}
            for file in sorted(self.decoys, key=lambda one: one.path)
        ]
        parts = [f'"seed": {json.dumps(SEEDS[self.half])}', f'"tree": "{sha256(self.listing())}"']
        for name, rows in (("findings", findings), ("decoys", others)):
            body = ",\n".join(json.dumps(row) for row in rows)
            parts.append(f'"{name}": [\n{body}\n]')
        return "{\n" + ",\n".join(parts) + "\n}\n"


def sha256(text):
    """The digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def write(corpus, directory, manifest):
    """Writes the tree; a directory that holds anything else is left alone."""
    if directory.exists():
        present = {path for path in directory.rglob("*") if not path.is_dir()}
        foreign = present - {directory / path for path in corpus.files}
        if foreign:
            sys.exit(f"{directory} holds other files, such as {min(foreign)}: nothing was written")
    for path, data in corpus.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(corpus.manifest(), encoding="utf-8")


def print_table(corpus):
    """The README's tables: forms and kinds by family, which is the folder below the first."""
    for title, files in zip(("planted", "decoys"), HALVES[corpus.half]):
        families = {}
        for file in files:
            families.setdefault(file.path.split("/")[1], []).append(file)
        counts = Counter((one.file.split("/")[1], one.rule) for one in corpus.findings)
        totals = []
        for name, members in families.items():
            forms = ", ".join(dict.fromkeys(file.form for file in members))
            row = [len(members)]
            if title == "planted":
                row += [counts[name, SECRET], counts[name, KEY_ID]]
            totals.append(row)
            print(f"| {name} | {forms} | " + " | ".join(map(str, row)) + " |")
        print("| all | | " + " | ".join(str(sum(column)) for column in zip(*totals)) + " |\n")


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--half", choices=tuple(HALVES), default=FROZEN)
    parser.add_argument("--manifest", type=Path, help="default: manifest.json beside DIR")
    parser.add_argument("--digest", action="store_true", help="print the digests")
    parser.add_argument("--table", action="store_true", help="print what is in the corpus")
    options = parser.parse_args()
    if not (options.directory or options.digest or options.table):
        parser.error("a directory, --digest or --table is needed")
    corpus = Corpus(options.half)
    if options.directory:
        default = options.directory.parent / "manifest.json"
        write(corpus, options.directory, options.manifest or default)
    if options.digest:
        print(f"tree     {sha256(corpus.listing())}")
        print(f"manifest {sha256(corpus.manifest())}")
    if options.table:
        print_table(corpus)


if __name__ == "__main__":
    main()
