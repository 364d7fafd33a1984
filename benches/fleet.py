"""Measures `keytide fleet` on many repositories and accounts, on one machine in one run.

    cargo build --release && python3 benches/fleet.py [--keytide PATH] [--repositories N] [--accounts M] [--users K]

The repositories are those of the emulated GitHub of `tests/emulators/github`, the accounts those of one moto, each reached
by AssumeRole as a workflow's job would. Every repository lists its users by name, and two accounts of a hundred have users
that no policy file lists. Measured are the wall time, the processor time and the peak memory of each step, and the requests to
GitHub and AWS; beside them some audits of single repositories, as many as `--singles` says. Most of the wall time is the
emulator's. Prints a Markdown table on standard output and progress on standard error.

Run it with the Python of the tests, which has moto: `target/tools/python/bin/python3 benches/fleet.py`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMULATORS = ROOT / "tests" / "emulators"
POLICY = ".github/keytide.yml"
ROLE = "keytide-fleet-audit"


def say(text):
    print(text, file=sys.stderr, flush=True)


def ask(url, method, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=600) as reply:
        return json.loads(reply.read() or b"null")


class Server:
    """An emulator, until the end of this program."""

    def __init__(self, stack, script, *flags):
        command = [sys.executable, str(EMULATORS / script), "0", *flags, "--exit-with-stdin"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(self.process.stdin.close)
        self.url = "http://" + self.process.stdout.readline().strip().rpartition(" ")[2]


class Measured:
    """What one step costs: all of its processes, and the largest of them."""

    def __init__(self, name):
        self.name, self.wall, self.cpu, self.peak, self.runs = name, 0.0, 0.0, 0, 0

    def run(self, command, environment, exits):
        begun = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        out, errors = process.stdout.read(), process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        self.wall += time.monotonic() - begun
        self.cpu += used.ru_utime + used.ru_stime
        self.peak = max(self.peak, used.ru_maxrss)
        self.runs += 1
        if os.waitstatus_to_exitcode(status) not in exits:
            sys.exit(f"{command} failed: {out[-2000:]}{errors[-2000:]}")
        return out

    def row(self, requests):
        mebibytes = self.peak / 1024
        return f"| {self.name} | {self.runs} | {self.wall:.0f} s | {self.cpu:.1f} s | {mebibytes:.0f} MiB | {requests:,} |"


def account_id(index):
    return f"{100_000_000_000 + index}"


def users_of(arguments, index):
    return [f"svc-{index:03}-{number:04}" for number in range(arguments.users // arguments.accounts)]


def seed_accounts(arguments, aws):
    """Users with a key of 200, 80 or 5 days, and in two accounts of a hundred one that no policy file lists."""
    now = datetime.now(UTC)
    for index in range(arguments.accounts):
        users = []
        for number, name in enumerate(users_of(arguments, index)):
            created = now - timedelta(days=(200, 80, 5, 5)[number % 4])
            used = {"at": (now - timedelta(days=1)).isoformat(), "service": "s3", "region": "eu-west-1"}
            users.append({"name": name, "keys": [{"created_at": created.isoformat(), "last_used": used}]})
        if index % 50 == 0:
            users.append({"name": "stray", "keys": [{"created_at": now.isoformat()}]})
        ask(f"{aws.url}/_keytide/seed", "POST", {"account": account_id(index), "users": users})
        if index % 50 == 49:
            say(f"{index + 1} accounts made")


def seed_repositories(arguments, github):
    """Each account's users are divided among its repositories."""
    share = arguments.repositories // arguments.accounts
    repositories = []
    for index in range(arguments.accounts):
        users = users_of(arguments, index)
        for part in range(share):
            lines = "".join(f"  - name: {name}\n" for name in users[part::share])
            text = f'version: 1\naccount: "{account_id(index)}"\nrole_arn: arn:aws:iam::{account_id(index)}:role/{ROLE}\nusers:\n{lines}'
            number = index * share + part
            repositories.append({"name": f"acme/app-{number:04}", "id": number + 1, "files": {POLICY: text}})
    ask(f"{github.url}/_control/fleet", "POST", {"repositories": repositories})


def fleet_file(arguments):
    accounts = [
        f'  - {{ id: "{account_id(index)}", role_arn: arn:aws:iam::{account_id(index)}:role/{ROLE} }}\n'
        for index in range(arguments.accounts)
    ]
    return "version: 1\norganizations: [acme]\naccounts:\n" + "".join(accounts)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keytide", default=str(ROOT / "target" / "release" / "keytide"))
    parser.add_argument("--contract", required=True, help="the description.json of the tests' tools")
    parser.add_argument("--repositories", type=int, default=1_000)
    parser.add_argument("--accounts", type=int, default=500)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--singles", type=int, default=20, help="audits of single repositories to compare with")
    return parser.parse_args()


def aws_requests(aws):
    total = ask(f"{aws.url}/_keytide/requests", "GET")["total"]
    ask(f"{aws.url}/_keytide/requests", "DELETE")
    return total


def main():
    arguments = parse_arguments()
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        aws = Server(stack, "aws/iam_emulator.py")
        github = Server(stack, "github/github_api.py", "--contract", arguments.contract)
        seed_repositories(arguments, github)
        seed_accounts(arguments, aws)
        (folder / "fleet.yml").write_text(fleet_file(arguments))
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true", "GITHUB_TOKEN": "token", "GITHUB_ACTIONS": "",
            "SSL_CERT_FILE": str(ROOT / "tests" / "fixtures" / "certificate.pem"),
        }
        keytide = [arguments.keytide, "--endpoint-url", aws.url, "--github-api-url", github.url]
        policies, results = folder / "policies", folder / "results"
        results.mkdir()

        collect = Measured("`fleet collect`")
        command = [*keytide, "fleet", "collect", "--out", str(policies), "--fleet", str(folder / "fleet.yml")]
        jobs = json.loads(collect.run(command, environment, {0}))["include"]
        queries = [one for one in ask(f"{github.url}/_control/log", "GET") if one["path"] == "/graphql"]
        rows.append(collect.row(len(queries)))
        say(f"collected, {len(jobs)} jobs")
        aws_requests(aws)

        audit = Measured("`fleet audit`, all jobs")
        for number, job in enumerate(jobs):
            flags = ["--account", job["account"], "--part", job["part"], "--policies", str(policies), "--json", f"{results}/"]
            audit.run([*keytide, "fleet", "audit", *flags], environment, {0, 1})
            if number % 25 == 24:
                say(f"{number + 1} jobs done")
        rows.append(audit.row(aws_requests(aws)))

        report = Measured("`fleet report`")
        files = [str(results), str(policies / "collection.json")]
        outputs = [f"--report={form}={folder}/fleet.{form}" for form in ("html", "json", "csv", "markdown")]
        report.run([*keytide, "fleet", "report", *files, *outputs], environment, {1})
        rows.append(report.row(0))
        merged = json.loads((folder / "fleet.json").read_text())
        size = sum(file.stat().st_size for file in folder.glob("fleet.*")) / 1024 / 1024
        say(f"merged: {merged['result']}, {merged['summary']}, {size:.1f} MiB of reports")
        if not merged["complete"] or merged["summary"]["users"] < arguments.users:
            sys.exit("the report is not complete: something else was measured")

        single = Measured(f"`audit` of {arguments.singles} single repositories")
        for number in range(arguments.singles):
            file = policies / f"acme/app-{number:04}" / POLICY
            single.run([*keytide, "audit", "--policy", str(file)], {**environment, "GITHUB_REPOSITORY_ID": str(number + 1)}, {0, 1})
        rows.append(single.row(aws_requests(aws)))
    print(f"{arguments.repositories:,} repositories, {arguments.accounts:,} accounts, {arguments.users:,} users\n")
    print("| | runs | wall | CPU | peak memory | requests |\n|---|---:|---:|---:|---:|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
