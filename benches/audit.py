"""Measures `keytide audit` beside Cloud Custodian and Prowler, on one machine in one run.

    cargo build --release && python3 benches/audit.py [--keytide PATH]

All of them audit the same emulated account: 1,000 IAM users, each with a key of 400 days and a key of 5 days. What is
compared is what the client costs (its user and system CPU time, its peak memory) and how often it asks AWS. Wall time
is printed for completeness: most of it is the emulator's, and Custodian waits 10 seconds for any credential report. A
tool that does not report exactly the 1,000 users with an old key ends the run: it measured something else.

Prints a Markdown table on standard output and progress on standard error. The peers and the emulator are installed
once, in virtual environments below target/bench (Prowler takes some minutes and 2.3 GB).
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "bench"
EMULATORS = ROOT / "tests" / "emulators"

ACCOUNT = "123456789012"
USERS = 1_000
RUNS = 5
STARTS = 21

CUSTODIAN = "c7n==0.9.53"
PROWLER = "prowler==5.46.0"

KEYTIDE_POLICY = f"""\
version: 1
account: "{ACCOUNT}"
limits:
  max_age: 90d
users:
  - match: "user*"
"""

# Custodian's usual pair: the credential report narrows the users down, their keys are then listed to be sure.
CUSTODIAN_POLICY = {
    "policies": [
        {
            "name": "old-keys",
            "resource": "aws.iam-user",
            "filters": [
                {
                    "type": "credential",
                    "key": "access_keys.last_rotated",
                    "value_type": "age",
                    "op": "greater-than",
                    "value": 90,
                },
                {
                    "type": "access-key",
                    "key": "CreateDate",
                    "value_type": "age",
                    "op": "greater-than",
                    "value": 90,
                },
            ],
        }
    ]
}

PROWLER_AGE_CHECK = "iam_rotate_access_key_90_days"
PROWLER_CHECKS = (
    PROWLER_AGE_CHECK,
    "iam_user_accesskey_unused",
    "iam_user_two_active_access_key",
    "iam_user_no_setup_initial_access_key",
)

# A process's peak memory on Linux is never less than that of the process it was forked from. So this small one, not
# the benchmark itself, starts the tool; it writes the exit code, CPU seconds, wall seconds and KiB to a file.
LAUNCHER = """
import os, sys, time
cost, *command = sys.argv[1:]
begin = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - begin
with open(cost, "w") as file:
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss, file=file)
"""


# --- What runs beside keytide -------------------------------------------------------------------------------------


def say(text):
    print(text, file=sys.stderr, flush=True)


def install(name, *requirements):
    """The directory of executables of a virtual environment that has the requirements, made if it is not there."""
    home = HOME / name
    stamp = home / "installed.txt"
    wanted = " ".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        say(f"installing {wanted}")
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", *requirements], check=True)
        stamp.write_text(wanted)
    return home / "bin"


def emulator_requirements():
    lines = (EMULATORS / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


class Emulator:
    """The AWS account that is audited. It ends with its `with` block, and with this process."""

    def __init__(self):
        python = install("emulator", *emulator_requirements()) / "python"
        command = [python, EMULATORS / "aws" / "iam_emulator.py", "0", "--exit-with-stdin"]
        with open(HOME / "emulator.log", "w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.url = "http://" + self.process.stdout.readline().removeprefix("listening on ").strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def control(self, method, route, document=None):
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}/_keytide/{route}", body, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def become(self, users_with_keys):
        """Starts over with USERS users, of which the first ones have keys."""
        self.control("POST", "reset")
        self.control("POST", "seed", account(users_with_keys))
        self.control("DELETE", "requests")

    def requests_served(self):
        return self.control("GET", "requests")["total"]


def account(users_with_keys):
    """Every user that has keys has an old one, in use, and a young one."""
    now = datetime.now(UTC).replace(microsecond=0)
    last_used = {"at": (now - timedelta(days=2)).isoformat(), "service": "s3", "region": "us-east-1"}
    keys = [
        {"created_at": (now - timedelta(days=400)).isoformat(), "last_used": last_used},
        {"created_at": (now - timedelta(days=5)).isoformat()},
    ]
    users = [{"name": f"user{n:04}", "keys": keys if n < users_with_keys else []} for n in range(USERS)]
    return {"account": ACCOUNT, "users": users}


# --- The tools ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tool:
    """A command to run in a fresh directory, the exit codes of a finished audit, and how to read what it found."""

    name: str
    command: list[str]
    finished: tuple[int, ...]
    users_found: Callable[[Path], int]
    files: dict[str, str]
    runs: int = RUNS


def keytide(binary, url, source):
    command = [binary, "audit", "--policy", "keytide.yml", "--endpoint-url", url]
    command += ["--source", source, "--format", "json"]
    return Tool(f"keytide, `{source}`", command, (0, 1), keytide_users, {"keytide.yml": KEYTIDE_POLICY})


def keytide_users(directory):
    report = json.loads((directory / "stdout").read_text())
    return len({finding["user"] for finding in report["findings"] if finding["rule"] == "key-age"})


def custodian():
    command = [str(install("custodian", CUSTODIAN) / "custodian")]
    command += ["run", "--output-dir", "out", "--cache-period", "0", "policy.json"]
    return Tool("Cloud Custodian", command, (0,), custodian_users, {"policy.json": json.dumps(CUSTODIAN_POLICY)})


def custodian_users(directory):
    return len(json.loads((directory / "out" / "old-keys" / "resources.json").read_text()))


def prowler():
    command = [str(install("prowler", PROWLER) / "prowler"), "aws", "--checks", *PROWLER_CHECKS]
    command += ["--region", "us-east-1", "--output-formats", "csv", "--output-directory", "out", "--no-banner"]
    return Tool("Prowler", command, (0, 3), prowler_users, {}, runs=1)


def prowler_users(directory):
    (report,) = (directory / "out").glob("*.csv")
    with open(report, newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter=";"))
    return len({row["RESOURCE_UID"] for row in rows if (row["CHECK_ID"], row["STATUS"]) == (PROWLER_AGE_CHECK, "FAIL")})


# --- Measuring ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    cpu: float
    wall: float
    memory: float
    requests: int


def environment(url):
    """The caller's environment with the emulator's credentials, and nothing that tells of another account or of CI."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GITHUB_"))}
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": url,
    }


def launch(command, directory, variables):
    """Runs a command; answers its exit code, CPU seconds, wall seconds and peak memory in MiB."""
    with open(directory / "stdout", "w") as stdout, open(directory / "stderr", "w") as stderr:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, "cost", *command],
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            check=True,
        )
    code, cpu, wall, kibibytes = (directory / "cost").read_text().split()
    return int(code), float(cpu), float(wall), int(kibibytes) / 1024


def measure(tool, emulator, users_with_keys):
    """Runs a tool once over a fresh account."""
    emulator.become(users_with_keys)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file, text in tool.files.items():
            (directory / file).write_text(text)
        code, cpu, wall, memory = launch(tool.command, directory, environment(emulator.url))
        if code not in tool.finished:
            tail = (directory / "stderr").read_text()[-2000:]
            sys.exit(f"{tool.name} did not finish its audit: exit code {code}\n{tail}")
        found = tool.users_found(directory)
    if found != users_with_keys:
        sys.exit(f"{tool.name} found {found} users with an old key, not {users_with_keys}")
    return Sample(cpu, wall, memory, emulator.requests_served())


def median(samples):
    columns = zip(*(asdict(sample).values() for sample in samples), strict=True)
    return Sample(*map(statistics.median, columns))


def measure_repeatedly(tool, emulator):
    say(f"measuring {tool.name}, runs: {tool.runs}")
    return median([measure(tool, emulator, USERS) for _ in range(tool.runs)])


def start_up(binary):
    """How long `keytide --version` takes, in milliseconds."""

    def once():
        begin = time.perf_counter()
        subprocess.run([binary, "--version"], stdout=subprocess.DEVNULL, check=True)
        return (time.perf_counter() - begin) * 1000

    return statistics.median(once() for _ in range(STARTS))


# --- The report ---------------------------------------------------------------------------------------------------


def row(*cells):
    return f"| {' | '.join(cells)} |"


def costs_table(costs):
    """The tools' costs; the ratios are to the first of them."""
    base = next(iter(costs.values())).cpu
    yield row(f"{USERS:,} users, 2 keys each", "CPU", "× keytide `auto`", "wall", "peak memory", "AWS requests")
    yield row("---", *["---:"] * 5)
    for name, cost in costs.items():
        ratio = f"{cost.cpu / base:.1f}"
        yield row(
            name, f"{cost.cpu:.2f} s", ratio, f"{cost.wall:.1f} s", f"{cost.memory:.0f} MiB", f"{cost.requests:,.0f}"
        )


def requests_table(samples):
    yield row(f"{USERS:,} users, half of them with 2 keys", "AWS requests")
    yield row("---", "---:")
    for name, sample in samples.items():
        yield row(name, f"{sample.requests:,}")


def versions(binary):
    keytide_version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    moto = next(line for line in emulator_requirements() if line.startswith("moto"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    return f"{keytide_version}; {CUSTODIAN}; {PROWLER}; {moto}; Python {platform.python_version()}; {machine}"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keytide", type=Path, default=ROOT / "target" / "release" / "keytide", metavar="PATH")
    arguments = parser.parse_args()
    if not arguments.keytide.is_file():
        parser.error(f"no such file: {arguments.keytide}; build it with `cargo build --release`")
    return arguments


def main():
    binary = str(parse_arguments().keytide.resolve())
    with Emulator() as emulator:
        ours = [keytide(binary, emulator.url, source) for source in ("auto", "iam", "report")]
        costs = {tool.name: measure_repeatedly(tool, emulator) for tool in (*ours, custodian(), prowler())}
        say("counting the requests for an account in which half of the users have keys")
        halves = {tool.name: measure(tool, emulator, USERS // 2) for tool in ours}
    size = os.path.getsize(binary) / 2**20
    print(*costs_table(costs), "", *requests_table(halves), "", sep="\n")
    print(f"Start-up of `keytide --version`: {start_up(binary):.1f} ms. Binary: {size:.1f} MiB.\n")
    print(versions(binary))


if __name__ == "__main__":
    main()
