"""Measures `keytide fleet` on many repositories and accounts, beside single audits and Cloud Custodian's c7n-org.

    cargo build --release && target/tools/python/bin/python3 benches/fleet.py [--keytide PATH] [--repositories N] [--accounts M]
        [--users K] [--singles N] [--custodian-accounts N] [--quick]

The repositories are those of the emulated GitHub of `tests/emulators/github`, the accounts those of one moto, each reached
by AssumeRole as a workflow's job would. Every repository lists its users by name, a quarter of the keys is 200 days old, and two
accounts of a hundred have users that no policy file lists. Measured are the wall time, the processor time and the peak memory
of each step, and the requests to GitHub and AWS. Most of the wall time is the emulator's.

First the whole fleet, then `--singles` audits of single repositories and `--custodian-accounts` accounts by c7n-org with a policy for
keys of more than 90 days; then smaller fleets, with fewer accounts or with fewer repositories, unless `--quick` is given. A step that
does not find what it should ends the run: something else was measured. Prints Markdown tables on standard output and progress on
standard error. Run it with the Python of the tests, which has moto and which `cargo test` installs; c7n-org is installed below
target/bench.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import CUSTODIAN, CUSTODIAN_POLICY, launch, row, say
from audit import install as install_tools

ROOT = Path(__file__).resolve().parent.parent
EMULATORS = ROOT / "tests" / "emulators"
CONTRACT = ROOT / "target" / "tools" / "github" / "description.json"
POLICY = ".github/keytide.yml"
ROLE = "keytide-fleet-audit"
C7N_ORG = "c7n-org==0.6.52"
# The ages of keys in days, in turn.
AGES = (200, 80, 5, 5)


@dataclass(frozen=True)
class Size:
    repositories: int
    accounts: int
    users: int

    def users_of(self, index):
        return [f"svc-{index:03}-{number:04}" for number in range(self.users // self.accounts)]

    def repositories_of(self, index):
        """The names of the repositories of an account, with their numbers."""
        share = self.repositories // self.accounts
        return [(index * share + part, f"acme/app-{index * share + part:04}") for part in range(share)]

    def old_keys(self, accounts):
        return sum(number % len(AGES) == 0 for number in range(self.users // self.accounts)) * accounts

    def __str__(self):
        return f"{self.repositories:,} repositories, {self.accounts:,} accounts, {self.users:,} users"


def ask(url, method, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=600) as reply:
        return json.loads(reply.read() or b"null")


class Server:
    """An emulator, until the end of the `with` block."""

    def __init__(self, stack, script, *flags):
        command = [sys.executable, str(EMULATORS / script), "0", *flags, "--exit-with-stdin"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(self.process.stdin.close)
        self.url = "http://" + self.process.stdout.readline().strip().rpartition(" ")[2]


class Step:
    """What one step costs: all of its processes, and the largest of them."""

    def __init__(self, name):
        self.name, self.wall, self.cpu, self.peak, self.runs, self.requests = name, 0.0, 0.0, 0.0, 0, 0

    def run(self, command, folder, environment, exits):
        code, cpu, wall, peak = launch(command, folder, environment)
        if code not in exits:
            sys.exit(f"{command} failed: {code} {(folder / 'stderr').read_text()[-2000:]}")
        self.wall, self.cpu, self.peak = self.wall + wall, self.cpu + cpu, max(self.peak, peak)
        self.runs += 1
        return (folder / "stdout").read_text()

    def shown(self):
        return row(
            self.name, f"{self.runs:,}", f"{self.wall:.0f} s", f"{self.cpu:.2f} s", f"{self.peak:.0f} MiB", f"{self.requests:,}"
        )


def account_id(index):
    return f"{100_000_000_000 + index}"


def role_arn(index):
    return f"arn:aws:iam::{account_id(index)}:role/{ROLE}"


class Fleet:
    """A fleet of one size, with its emulators."""

    def __init__(self, stack, size, binary):
        self.size, self.binary = size, binary
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.aws = Server(stack, "aws/iam_emulator.py")
        self.github = Server(stack, "github/github_api.py", "--contract", str(CONTRACT))
        self.policies, self.results = self.folder / "policies", self.folder / "results"
        self.results.mkdir()
        say(f"making {size}")
        self.make_repositories()
        self.make_accounts()
        accounts = [f'  - {{ id: "{account_id(index)}", role_arn: {role_arn(index)} }}\n' for index in range(size.accounts)]
        (self.folder / "fleet.yml").write_text("version: 1\norganizations: [acme]\naccounts:\n" + "".join(accounts))
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1", "GITHUB_TOKEN": "token",
            "SSL_CERT_FILE": str(ROOT / "tests" / "fixtures" / "certificate.pem"),
        }

    def make_repositories(self):
        """Each account's users are divided among its repositories."""
        repositories = []
        for index in range(self.size.accounts):
            users, own = self.size.users_of(index), self.size.repositories_of(index)
            for part, (number, name) in enumerate(own):
                lines = "".join(f"  - name: {user}\n" for user in users[part :: len(own)])
                text = f'version: 1\naccount: "{account_id(index)}"\nrole_arn: {role_arn(index)}\nusers:\n{lines}'
                repositories.append({"name": name, "id": number + 1, "files": {POLICY: text}})
        ask(f"{self.github.url}/_control/fleet", "POST", {"repositories": repositories})

    def make_accounts(self):
        now = datetime.now(UTC)
        used = {"at": (now - timedelta(days=1)).isoformat(), "service": "s3", "region": "eu-west-1"}
        for index in range(self.size.accounts):
            users = []
            for number, name in enumerate(self.size.users_of(index)):
                created = now - timedelta(days=AGES[number % len(AGES)])
                users.append({"name": name, "keys": [{"created_at": created.isoformat(), "last_used": used}]})
            if index % 50 == 0:
                users.append({"name": "stray", "keys": [{"created_at": now.isoformat()}]})
            ask(f"{self.aws.url}/_keytide/seed", "POST", {"account": account_id(index), "users": users})
            if index % 100 == 99:
                say(f"{index + 1} accounts made")

    def keytide(self, *arguments):
        return [self.binary, "--endpoint-url", self.aws.url, "--github-api-url", self.github.url, *arguments]

    def aws_requests(self):
        total = ask(f"{self.aws.url}/_keytide/requests", "GET")["total"]
        ask(f"{self.aws.url}/_keytide/requests", "DELETE")
        ask(f"{self.aws.url}/_keytide/log", "DELETE")
        return total

    def collect(self):
        step = Step("`fleet collect`")
        command = self.keytide("fleet", "collect", "--out", str(self.policies), "--fleet", str(self.folder / "fleet.yml"))
        self.jobs = json.loads(step.run(command, self.folder, self.environment, {0}))["include"]
        step.requests = sum(one["path"] == "/graphql" for one in ask(f"{self.github.url}/_control/log", "GET"))
        return step

    def audit(self):
        step = Step("`fleet audit`, all jobs")
        self.aws_requests()
        for number, job in enumerate(self.jobs):
            flags = ["--account", job["account"], "--part", job["part"], "--policies", str(self.policies)]
            command = self.keytide("fleet", "audit", *flags, "--json", f"{self.results}/")
            step.run(command, self.folder, self.environment, {0, 1})
            if number % 50 == 49:
                say(f"{number + 1} of {len(self.jobs)} jobs done")
        step.requests = self.aws_requests()
        return step

    def report(self):
        step = Step("`fleet report`, four formats")
        outputs = [f"--report={form}={self.folder}/fleet.{form}" for form in ("html", "json", "csv", "markdown")]
        files = [str(self.results), str(self.policies / "collection.json")]
        step.run(self.keytide("fleet", "report", *files, *outputs), self.folder, self.environment, {1})
        merged = json.loads((self.folder / "fleet.json").read_text())
        found = [finding for line in merged["repositories"] for finding in line["findings"] if finding["rule"] == "key-age"]
        errors = sum(finding["severity"] == "error" for finding in found)
        if not merged["complete"] or errors != self.size.old_keys(self.size.accounts):
            sys.exit(f"the report has {errors} old keys, and is {merged['result']}: something else was measured")
        return step

    def single_audits(self, number):
        step = Step(f"`audit` in {number} of the {self.size.repositories:,} repositories")
        self.aws_requests()
        for index in range(number):
            environment = {**self.environment, "GITHUB_REPOSITORY_ID": str(index + 1)}
            file = self.policies / f"acme/app-{index:04}" / POLICY
            step.run(self.keytide("audit", "--policy", str(file)), self.folder, environment, {0, 1})
        step.requests = self.aws_requests()
        return step

    def custodian(self, number):
        step = Step(f"c7n-org, {number} of the {self.size.accounts:,} accounts")
        bin = install_tools("custodian-org", CUSTODIAN, C7N_ORG)
        accounts = [
            {"account_id": account_id(index), "name": f"a{index}", "role": role_arn(index), "regions": ["us-east-1"]}
            for index in range(number)
        ]
        for name, document in (("accounts.json", {"accounts": accounts}), ("policy.json", CUSTODIAN_POLICY)):
            (self.folder / name).write_text(json.dumps(document))
        out = self.folder / "custodian"
        flags = ["-c", str(self.folder / "accounts.json"), "-u", str(self.folder / "policy.json"), "-s", str(out)]
        environment = {**self.environment, "AWS_ENDPOINT_URL": self.aws.url}
        self.aws_requests()
        step.run([str(bin / "c7n-org"), "run", *flags, "--cache-period", "0"], self.folder, environment, {0})
        step.requests = self.aws_requests()
        found = sum(len(json.loads(file.read_text())) for file in out.rglob("resources.json"))
        if found != self.size.old_keys(number):
            sys.exit(f"c7n-org found {found} users with an old key, not {self.size.old_keys(number)}")
        return step


def steps_table(steps):
    yield row("", "runs", "wall", "CPU", "peak memory", "requests")
    yield row("---", *["---:"] * 5)
    yield from (step.shown() for step in steps)


def sizes_table(measured):
    names = ("collect", "audit", "report")
    yield row("repositories", "accounts", "users", "requests to GitHub", "requests to AWS", *(f"CPU of `{name}`" for name in names), "peak memory")
    yield row(*["---:"] * 9)
    for size, steps in measured.items():
        collect, audit, _ = steps
        counts = (size.repositories, size.accounts, size.users, collect.requests, audit.requests)
        peak = max(step.peak for step in steps)
        yield row(*(f"{count:,}" for count in counts), *(f"{step.cpu:.2f} s" for step in steps), f"{peak:.0f} MiB")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keytide", default=str(ROOT / "target" / "release" / "keytide"), metavar="PATH")
    parser.add_argument("--repositories", type=int, default=1_000)
    parser.add_argument("--accounts", type=int, default=500)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--singles", type=int, default=50, help="audits of single repositories to compare with")
    parser.add_argument("--custodian-accounts", type=int, default=100, help="accounts for c7n-org; 0 leaves it out")
    parser.add_argument("--quick", action="store_true", help="the whole fleet only, no smaller ones")
    arguments = parser.parse_args()
    if not CONTRACT.is_file():
        parser.error(f"no such file: {CONTRACT}; `cargo test` makes it")
    return arguments


def main():
    arguments = parse_arguments()
    binary = str(Path(arguments.keytide).resolve())
    whole = Size(arguments.repositories, arguments.accounts, arguments.users)
    begun, measured = time.monotonic(), {}
    with ExitStack() as stack:
        fleet = Fleet(stack, whole, binary)
        measured[whole] = [fleet.collect(), fleet.audit(), fleet.report()]
        steps = [*measured[whole], fleet.single_audits(arguments.singles)]
        say("\n".join(steps_table(steps)))
        if arguments.custodian_accounts:
            steps.append(fleet.custodian(arguments.custodian_accounts))
    half, quarter = ((whole.accounts // part, whole.users // part) for part in (2, 4))
    smaller = [
        Size(whole.repositories, *half), Size(whole.repositories, *quarter),
        Size(whole.repositories // 2, *quarter), Size(quarter[0], *quarter),
    ]
    for size in [] if arguments.quick else smaller:
        with ExitStack() as stack:
            fleet = Fleet(stack, size, binary)
            measured[size] = [fleet.collect(), fleet.audit(), fleet.report()]
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{whole}\n", *steps_table(steps), "", *sizes_table(measured), "", sep="\n")
    print(f"{version}; {CUSTODIAN}; {C7N_ORG}; Python {platform.python_version()}; {platform.system()} {platform.machine()}, "
          f"{os.cpu_count()} CPUs; {datetime.now(UTC):%Y-%m-%d}; {(time.monotonic() - begun) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
