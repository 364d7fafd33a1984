"""Measures `keytide check` beside ripgrep, grep, betterleaks and kingfisher, on one machine in one run.

    python3 benches/check.py [--keytide PATH]

All of them read the same git tree below target/bench: crates of cargo's registry cache, 20,000 files and 250 MB or
more, and a few files with a key pair in them. ripgrep and grep look for the shape of an access key ID and are the
measure of how fast files can be read; betterleaks and kingfisher are limited to their rules for AWS keys and verify
nothing. The tools take turns for several rounds, after one that is not counted, so that a busy moment hits them all
alike. A tool that does not name every file with a pair ends the run: it measured something else.

Prints a Markdown table of the medians on standard output and progress on standard error. Without `--keytide` the
release build without the network is made first. The peers are installed once, as tests/fixtures/corpus/peers.py does it.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "bench"
TREE = HOME / "check-tree"
# Beside the tree: whoever reads all files below a folder would read what git keeps as well.
GIT = HOME / "check-tree.git"
REPORTS = HOME / "check-reports"

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "fixtures" / "corpus"))

import keys  # noqa: E402
import peers  # noqa: E402

FILES = 20_000
BYTES = 250_000_000
PLANTED = 20
ROUNDS = 7
STARTS = 41

ID_SHAPE = "AKIA[A-Z2-7]{16}"

# What is expected: at most so many times the faster of ripgrep and grep, at least so many times faster than a peer.
MOST = 1.5
LEAST = 4.0
ONE_FILE = 15.0


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- The tree -----------------------------------------------------------------------------------------------------


def crates():
    """Every crate that cargo has unpacked, in the order of their names."""
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = sorted(cargo.glob("registry/src/*/*"), key=lambda folder: folder.name)
    if not found:
        sys.exit(f"no crates below {cargo / 'registry'}: run `cargo fetch` first")
    return found


def size_of(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)


def copy_crates():
    """Copies crates, all of them again when they are used up, until the tree is large enough."""
    files, size, turn = 0, 0, 0
    while files < FILES or size < BYTES:
        for crate in crates():
            shutil.copytree(crate, TREE / f"copy{turn}" / crate.name)
            more, bytes_more = size_of(crate)
            files, size = files + more, size + bytes_more
            if files >= FILES and size >= BYTES:
                break
        turn += 1


def planted():
    """The files with a pair, and what is in them; made here, so that no key is kept."""
    for number in range(PLANTED):
        path = f"planted/service{number}.env"
        key_id, secret = keys.pair(path, "a")
        yield path, f"AWS_ACCESS_KEY_ID={key_id}\nAWS_SECRET_ACCESS_KEY={secret}\nAWS_REGION=eu-west-1\n"


def make_tree():
    """Writes the tree, unless it is there, and has git track it."""
    ready = HOME / "check-tree-ready"
    if ready.exists():
        return
    say(f"writing {TREE}")
    for folder in (TREE, GIT):
        shutil.rmtree(folder, ignore_errors=True)
    copy_crates()
    (TREE / "planted").mkdir()
    for path, text in planted():
        (TREE / path).write_text(text)
    # Crates bring files that ignore others; here every file counts.
    for name in (".gitignore", ".ignore", ".gitattributes"):
        for path in TREE.rglob(name):
            path.unlink()
    git = ["git", "-c", "core.looseCompression=0", "-c", "core.autocrlf=false", "-c", "gc.auto=0"]
    subprocess.run([*git, "init", "--quiet", "--separate-git-dir", GIT], cwd=TREE, check=True)
    subprocess.run([*git, "add", "--all"], cwd=TREE, check=True)
    ready.touch()


def tracked():
    """How many files git tracks, and how many bytes they have."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TREE, capture_output=True, check=True).stdout
    paths = [TREE / os.fsdecode(name) for name in listed.split(b"\0") if name]
    return len(paths), sum(path.lstat().st_size for path in paths)


# --- The tools ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tool:
    """A command to run inside the tree, the exit codes of a finished run, and where its report is."""

    name: str
    command: list[str]
    finished: tuple[int, ...]
    report: Callable[[bytes], str]


def printed(stdout):
    return stdout.decode(errors="replace")


def written(path):
    return lambda _: path.read_text(errors="replace")


def tools(binary):
    found = [Tool("keytide check", [binary, "check", "--format", "json"], (1,), printed)]
    ripgrep = shutil.which("rg")
    if ripgrep:
        command = [ripgrep, "--files-with-matches", "--hidden", ID_SHAPE]
        found.append(Tool("ripgrep", command, (0,), printed))
    else:
        say("rg is not installed (Debian's package is `ripgrep`): the measure is grep alone")
    command = ["grep", "-rlE", ID_SHAPE, "."]
    found.append(Tool("grep", command, (0,), printed))
    for name in ("betterleaks", "kingfisher"):
        tool = next(tool for tool in peers.tools() if tool.name == name)
        report = REPORTS / f"{name}.json"
        command = [str(word) for word in tool.command(tool.install(), report)]
        found.append(Tool(f"{name} {tool.version}, {tool.label}", command, tuple(range(256)), written(report)))
    return found


def run(tool):
    """Runs a tool once; answers the seconds that it took, and ends all when it missed a file."""
    begin = time.perf_counter()
    done = subprocess.run(
        tool.command, cwd=TREE, env=peers.environment(), stdin=subprocess.DEVNULL, capture_output=True
    )
    seconds = time.perf_counter() - begin
    if done.returncode not in tool.finished:
        sys.exit(f"{tool.name}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')[-2000:]}")
    report = tool.report(done.stdout)
    missed = [path for path, _ in planted() if path not in report]
    if missed:
        sys.exit(f"{tool.name} does not name {len(missed)} files that hold a key, such as {missed[0]}")
    return seconds


def measure(all_tools):
    """The medians, by name; the tools take turns."""
    seconds = {tool.name: [] for tool in all_tools}
    for number in range(ROUNDS + 1):
        say(f"round {number} of {ROUNDS}" if number else "a round that is not counted")
        for tool in all_tools:
            took = run(tool)
            if number:
                seconds[tool.name].append(took)
    return {name: statistics.median(times) for name, times in seconds.items()}


def milliseconds(command, finished):
    """The median time of a short command."""

    def once():
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=TREE, capture_output=True)
        assert done.returncode in finished, done.stderr
        return (time.perf_counter() - begin) * 1000

    return statistics.median(once() for _ in range(STARTS))


# --- The report ---------------------------------------------------------------------------------------------------


def build():
    say("cargo build --release --no-default-features")
    subprocess.run(["cargo", "build", "--release", "--no-default-features", "--quiet"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "keytide"


def verdict(holds):
    return "yes" if holds else "**no**"


def table(medians):
    """The medians and what they are as multiples of keytide's, then whether what was expected came true."""
    ours = medians["keytide check"]
    yield "| | time | as a multiple of keytide |"
    yield "|---|---:|---:|"
    for name, seconds in medians.items():
        yield f"| {name} | {seconds:.2f} s | {seconds / ours:.1f} |"
    yield ""
    fastest = min(seconds for name, seconds in medians.items() if name in ("ripgrep", "grep"))
    yield f"At most {MOST} times the faster of ripgrep and grep: {ours / fastest:.2f}, {verdict(ours <= MOST * fastest)}."
    slower = min(seconds for name, seconds in medians.items() if name.startswith(("betterleaks", "kingfisher")))
    yield f"At least {LEAST:.0f} times faster than either peer: {slower / ours:.1f}, {verdict(slower >= LEAST * ours)}."


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keytide", type=Path, metavar="PATH", help="a release build; made if it is not given")
    arguments = parser.parse_args()
    binary = str((arguments.keytide or build()).resolve())
    HOME.mkdir(parents=True, exist_ok=True)
    REPORTS.mkdir(exist_ok=True)
    make_tree()
    files, size = tracked()
    medians = measure(tools(binary))
    one = milliseconds([binary, "check", next(planted())[0]], (1,))
    start = milliseconds([binary, "--version"], (0,))
    print(f"{files:,} files, {size / 1e6:,.0f} MB; medians of {ROUNDS} rounds\n")
    print(*table(medians), sep="\n")
    print(f"One file: {one:.1f} ms (expected: under {ONE_FILE:.0f} ms, {verdict(one < ONE_FILE)}).")
    print(f"`--version`: {start:.1f} ms.\n")
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}; Python {platform.python_version()}; {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
