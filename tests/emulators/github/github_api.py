"""A GitHub to test keytide against: the part of the REST API that it uses, in memory, on a loopback port.

    python3 github_api.py PORT --contract DESCRIPTION [--id N] [--exit-with-stdin]

Port 0 picks a free one. Every request and every reply is held against GitHub's own description, of which
`github_contract.py` has written what is used; what does not fit is kept and told. When it accepts connections it prints `listening on 127.0.0.1:PORT` and never another line.
Git objects have git's own names. One repository, acme/app, ID 4711 unless told otherwise; the token is `token`, or any that begins
with `token-`, and both with the first letters of a kind of token (`ghs_`). What it holds of secrets it
can open, since it has the keys that GitHub has. A GitHub Enterprise Server is reached below /api/v3.

Control routes, JSON in and JSON out:

    POST /_control/push     {"files": {PATH: Base64 or null}, "modes": {PATH: MODE}, "branch": NAME, "message": TEXT}: a commit, without
                            `branch` on the default branch; mode 160000 makes a submodule
    POST /_control/branch   {"name": NAME, "to": REF}: a branch is forced elsewhere; without `to` it is deleted
    POST /_control/delete   {"ref": REF}: a reference that is no branch is deleted
    POST /_control/forge    {"ref": REF, "event": TEXT, "files": {PATH: Base64 or null}, "entry": {}}: the newest commit of a
                            journal with this event is made anew with other files and fields, and so are those after it;
                            the event `*` gives every commit other fields
    POST /_control/append   {"ref": REF, "at": RFC3339, "entry": {}}: an entry of somebody's at the end of a journal, or as its first
    POST /_control/files    {"ref": REF}: the files there, {PATH: Base64}
    POST /_control/secret   {"folder": "/orgs/acme/actions/secrets", "name": NAME, "value": TEXT, "visibility": TEXT,
                            "repositories": [ID]}: as a person writes one, or deletes it with the value null
    POST /_control/settings {"archived": bool, "may_write": bool, "may_open_pulls": bool, "default_branch": NAME,
                            "rules": [{"type": TYPE, "branches": REGEX, "bypass": TEXT, "pattern": REGEX, "checks": N,
                                       "parameters": {}}],
                            "may_write_workflows": bool, "writers": [LOGIN], "may_ask_permissions": bool,
                            "protected": REGEX, "protection": {"creation": bool, "checks": N}, "shows_settings": bool, "subject": {}, "scopes": TEXT, "compares": bool,
                            "issues": "write", "read" or "disabled", "account": LOGIN, "assignable": [LOGIN], "filters": bool,
                            "may_dispatch": bool, "workflow_states": {NAME: STATE}, "changes_a_second": N,
                            "installation": "all" or "selected", "listed": N}:
                            what an admin sets; what is left out stays. `protected` are the branches with a classic rule, which
                            refuses their creation, or commits without so many checks,
                            `subject` the form of the OIDC subject, `scopes` the token's, `account` whose it is, `installation` the repositories that an app is installed for, `listed` how many entries
                            a whole tree is listed with, GitHub's 100,000 or fewer; without `shows_settings` the token may
                            not read settings, without `compares` a reference can be moved from any commit to any other, which
                            GitHub does not do
    POST /_control/issue    {"number": N, "author": LOGIN, "body": TEXT, "state": TEXT, "count": N}: a person edits an
                            issue; without a number somebody opens one, or so many; the answer is the last one's number
    POST /_control/merge    {"number": N}: as a person merges
    POST /_control/close    {"number": N, "open": false}
    POST /_control/propose  {"branch": NAME, "files": {PATH: Base64}, "fork": bool, "author": ASSOCIATION, "count": N}:
                            somebody's pull request, or a stranger's from a fork, or many; the answer is the last one's
                            number
    POST /_control/clock    {"now": RFC3339}: the time from now on; null is the machine's
    POST /_control/environment {"name": NAME, "reviewers": N, "restricted": bool}: with so many required reviewers, for
                            any branch or only for some
    POST /_control/faults   [{"match": "METHOD /path-regex", "status": N, "times": N, "skip": N, "applied": bool,
                            "headers": {}, "message": TEXT, "body": {}, "kill": FILE, "spoil": HOW, "hold": SECONDS, "race": bool}]: requests fail,
                            or kill the process whose ID is in the file, or their reply is spoilt (`spoilt.py`), or they
                            are late; or another run writes the same reference first
    POST /_control/fleet    {"repositories": [{"name": "acme/app", "id": N, "archived": bool, "fork": bool, "files": {PATH: TEXT},
                            "binary": [PATH], "error": {"type": TYPE, "message": TEXT}, "settings": {}}]}: what GraphQL knows of many
                            repositories; one with an error is null in a reply, with that error beside it. Each but acme/app
                            has issues and settings of its own
    GET  /_control/issues   {NAME: [ISSUE]} of these; `POST /_control/issue` has their name as `repository`
    POST /_control/workflow {"file": NAME, "at": RFC3339, "fork": bool}: a run that succeeded, or one of a pull request from
                            the default branch of a fork
    POST /_control/conclude {"id": N, "conclusion": TEXT}: a run that was dispatched ends so; null: it is run again
    GET  /_control/state    refs, pulls, secrets in clear text, files of the default branch
    GET  /_control/snapshot {"snapshot": TEXT}: all of it, for /_control/restore of any other such process
    GET  /_control/log      every request since the start: its time by the clock that all programs of a machine share,
                            method, path, headers, body, status
    GET, DELETE /_control/violations   what does not fit GitHub's description; and forgets it
    DELETE /_control/log
"""

import argparse
import base64
import hashlib
import json
import os
import pickle
import re
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

sys.path.append(str(Path(__file__).resolve().parent.parent))

from github_contract import Contract
from nacl.public import PrivateKey, SealedBox
from spoilt import sent, spoil

HOST = "127.0.0.1"
TOKEN = "token"
NAME = "acme/app"
MAIN = "main"
ACTIONS = "github-actions[bot]"
OWNER_ID = 77
# The longest text of a blob in a reply of GraphQL.
LONGEST_TEXT = 512_000


class Refusal(Exception):
    def __init__(self, status, message, errors=None):
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors

    def body(self):
        url = "https://docs.github.com/rest"
        body = {"message": self.message, "documentation_url": url, "status": str(self.status)}
        return {**body, "errors": self.errors} if self.errors else body


def missing_checks(count):
    if count == 1:
        return 'Required status check "ci" is expected.'
    return f"{count} of {count} required status checks are expected."


def matches_path(pattern, path):
    """`File.fnmatch` of Ruby with FNM_PATHNAME, as GitHub documents its patterns."""
    pieces = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(pieces.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*/|\*|\?)", pattern)), path)


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Clock:
    """The time, which a test may set; it goes on from there."""

    def __init__(self):
        self.set(None)

    def set(self, now):
        self.base = datetime.fromisoformat(now) if now else None
        self.since = time.monotonic()

    def now(self):
        if self.base is None:
            return datetime.now(UTC)
        return datetime.fromtimestamp(self.base.timestamp() + time.monotonic() - self.since, UTC)


class Git:
    """Objects under git's names, and references."""

    def __init__(self, clock):
        self.clock = clock
        self.blobs, self.trees, self.commits, self.refs = {}, {}, {}, {}
        self.refs[f"refs/heads/{MAIN}"] = self.commit(self.tree({}), [], "first")

    def name(self, kind, content):
        return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()

    def blob(self, content):
        name = self.name("blob", content)
        self.blobs[name] = content
        return name

    def tree(self, files):
        """The tree of {path: (mode, blob)}."""
        entries = {}
        for path, entry in files.items():
            top, _, rest = path.partition("/")
            if rest:
                entries.setdefault(top, {})[rest] = entry
            else:
                entries[top] = entry
        listed = []
        for top, entry in entries.items():
            if isinstance(entry, dict):
                listed.append((top, "040000", self.tree(entry)))
            else:
                listed.append((top, *entry))
        listed.sort(key=lambda one: one[0] + ("/" if one[1] == "040000" else ""))
        content = b"".join(
            f"{mode.lstrip('0')} {top}\0".encode() + bytes.fromhex(sha) for top, mode, sha in listed
        )
        name = self.name("tree", content)
        self.trees[name] = listed
        return name

    def files(self, tree, prefix="", folders=False):
        found = {}
        for top, mode, sha in self.trees[tree]:
            if mode == "040000":
                found.update(self.files(sha, f"{prefix}{top}/", folders))
            if mode != "040000" or folders:
                found[f"{prefix}{top}"] = (mode, sha)
        return found

    def commit(self, tree, parents, message):
        at = self.clock.now()
        lines = [f"tree {tree}"] + [f"parent {parent}" for parent in parents]
        who = f"bot <bot@example.com> {int(at.timestamp())} +0000"
        content = "\n".join([*lines, f"author {who}", f"committer {who}", "", message]).encode()
        name = self.name("commit", content)
        self.commits[name] = {"tree": tree, "parents": parents, "message": message, "at": at}
        return name

    def ancestors(self, commit):
        found, left = [], [commit]
        while left:
            name = left.pop(0)
            if name not in found:
                found.append(name)
                left.extend(self.commits[name]["parents"])
        return found

    def content(self, ref):
        return self.files(self.commits[self.refs[ref]]["tree"])

    def merged(self, ours, theirs):
        """The files of a merge, or None where they conflict."""
        shared = [name for name in self.ancestors(theirs) if name in set(self.ancestors(ours))]
        base = self.files(self.commits[shared[0]]["tree"]) if shared else {}
        mine, other = self.files(self.commits[ours]["tree"]), self.files(self.commits[theirs]["tree"])
        result = dict(mine)
        for path in base.keys() | other.keys():
            if base.get(path) == other.get(path) or mine.get(path) == other.get(path):
                continue
            if mine.get(path) != base.get(path):
                return None
            if path in other:
                result[path] = other[path]
            else:
                result.pop(path, None)
        return result


class Github:
    def __init__(self, contract, id, name=NAME, clock=None):
        self.contract, self.id, self.name = contract, id, name
        self.lock = threading.RLock()
        self.clock = clock or Clock()
        self.git = Git(self.clock)
        self.pulls, self.secrets, self.keys, self.environments = [], {}, {}, {}
        self.issues = []
        self.fleet, self.members, self.changes = [], {}, []
        self.faults, self.log, self.workflows = [], [], {}
        self.settings = {
            "archived": False, "may_write": True, "may_open_pulls": True, "default_branch": MAIN, "rules": [],
            "may_write_workflows": False, "writers": [], "may_ask_permissions": True,
            "protected": None, "protection": {}, "shows_settings": True, "scopes": None, "compares": True,
            "issues": "write", "account": ACTIONS, "assignable": ["octocat"], "filters": True,
            "may_dispatch": True, "workflow_states": {}, "changes_a_second": None, "installation": None, "listed": 100_000,
            "subject": {"use_default": True, "use_immutable_subject": False, "sub_claim_prefix": f"repo:{self.name}"},
        }
        repo = f"/repos/{self.name}"
        self.routes = [
            ("GET", repo, self.repository),
            ("GET", f"{repo}/git/matching-refs/(.+)", self.matching_refs),
            ("POST", f"{repo}/git/refs", self.create_ref),
            ("PATCH", f"{repo}/git/refs/(.+)", self.update_ref),
            ("DELETE", f"{repo}/git/refs/(.+)", self.delete_ref),
            ("GET", f"{repo}/collaborators/([^/]+)/permission", self.permission),
            ("GET", f"{repo}/git/commits/([0-9a-f]+)", self.get_commit),
            ("POST", f"{repo}/git/commits", self.create_commit),
            ("GET", f"{repo}/git/trees/([0-9a-f]+)", self.get_tree),
            ("POST", f"{repo}/git/trees", self.create_tree),
            ("GET", f"{repo}/git/blobs/([0-9a-f]+)", self.get_blob),
            ("POST", f"{repo}/git/blobs", self.create_blob),
            ("GET", f"{repo}/branches/(.+)", self.get_branch),
            ("GET", f"{repo}/actions/permissions/workflow", self.workflow_permissions),
            ("GET", f"{repo}/actions/oidc/customization/sub", self.subject),
            ("GET", f"{repo}/environments/([^/]+)", self.environment),
            ("GET", f"{repo}/commits", self.list_commits),
            ("GET", rf"{repo}/compare/([^/]+)\.\.\.([0-9a-f]+)", self.compare),
            ("GET", f"{repo}/pulls", self.list_pulls),
            ("POST", f"{repo}/pulls", self.create_pull),
            ("GET", rf"{repo}/pulls/(\d+)", self.get_pull),
            ("PATCH", rf"{repo}/pulls/(\d+)", self.update_pull),
            ("POST", r"(?:/api)?/graphql", self.graphql),
            ("GET", f"{repo}/issues", self.list_issues),
            ("POST", f"{repo}/issues", self.create_issue),
            ("GET", rf"{repo}/issues/(\d+)", self.get_issue),
            ("PATCH", rf"{repo}/issues/(\d+)", self.update_issue),
            ("POST", rf"{repo}/issues/(\d+)/comments", self.add_comment),
            ("POST", rf"{repo}/issues/(\d+)/assignees", self.add_assignees),
            ("POST", rf"{repo}/issues/(\d+)/labels", self.add_labels),
            ("POST", rf"{repo}/pulls/(\d+)/requested_reviewers", self.request_reviewers),
            ("GET", rf"{repo}/actions/runs/(\d+)", self.get_run),
            ("GET", rf"{repo}/actions/workflows/([^/]+)/runs", self.runs),
            ("GET", rf"{repo}/actions/workflows/([^/]+)", self.get_workflow),
            ("POST", rf"{repo}/actions/workflows/([^/]+)/dispatches", self.dispatch),
            ("GET", f"{repo}/rules/branches/(.+)", self.branch_rules),
            ("GET", rf"{repo}/rulesets/(\d+)", self.ruleset),
            ("GET", "/installation/repositories", self.installation),
            ("GET", r"(/orgs/.+/secrets)/([A-Za-z0-9_]+)/repositories", self.secret_repositories),
            ("GET", r"(/.+/secrets)/public-key", self.public_key),
            ("GET", r"(/.+/secrets)/([A-Za-z0-9_]+)", self.get_secret),
            ("PUT", r"(/.+/secrets)/([A-Za-z0-9_]+)", self.put_secret),
        ]
        self.control = {
            ("POST", "push"): self.push,
            ("POST", "issue"): self.person_writes,
            ("POST", "merge"): self.merge,
            ("POST", "close"): self.close,
            ("POST", "propose"): self.propose,
            ("POST", "branch"): self.branch,
            ("POST", "delete"): lambda body: self.git.refs.pop(body["ref"]),
            ("POST", "forge"): self.forge,
            ("POST", "append"): self.append,
            ("POST", "files"): lambda body: self.contents(body["ref"]),
            ("POST", "secret"): self.secret,
            ("POST", "settings"): lambda body: self.settings.update(body),
            ("POST", "clock"): lambda body: self.clock.set(body["now"]),
            ("POST", "environment"): lambda body: self.environments.update({body["name"]: body}),
            ("POST", "faults"): lambda body: self.faults.extend(body),
            ("POST", "fleet"): lambda body: self.fleet.extend(body["repositories"]),
            ("GET", "issues"): lambda _: {name: member.issues for name, member in self.members.items()},
            ("POST", "workflow"): self.add_run,
            ("POST", "conclude"): self.conclude,
            ("GET", "state"): lambda _: self.state(),
            ("GET", "snapshot"): lambda _: {"snapshot": base64.b64encode(pickle.dumps(self.kept())).decode()},
            ("POST", "restore"): lambda body: self.restore(pickle.loads(base64.b64decode(body["snapshot"]))),
            ("GET", "log"): lambda _: self.log,
            ("DELETE", "log"): lambda _: self.log.clear(),
            ("GET", "violations"): lambda _: self.contract.violations,
            ("DELETE", "violations"): lambda _: self.contract.forget(),
        }

    # --- What GitHub does

    def repository(self, query, body):
        url = f"https://api.github.com/repos/{self.name}"
        archived, branch = self.settings["archived"], self.settings["default_branch"]
        return 200, {
            "id": self.id, "name": self.name.split("/")[1], "full_name": self.name, "url": url, "default_branch": branch,
            "private": True, "archived": archived, "disabled": False,
            "permissions": {"admin": False, "pull": True, "push": self.settings["may_write"]},
            "owner": self.owner(),
        }

    def owner(self):
        login = self.name.split("/")[0]
        url = f"https://api.github.com/users/{login}"
        parts = ("events", "followers", "following", "gists", "received_events", "repos", "starred", "subscriptions")
        return {
            "login": login, "id": OWNER_ID, "node_id": "O_1", "type": "Organization", "site_admin": False, "url": url,
            "avatar_url": f"{url}/avatar", "gravatar_id": "", "html_url": f"https://github.com/{login}",
            "organizations_url": f"{url}/orgs", **{f"{part}_url": f"{url}/{part}" for part in parts},
        }

    def ensure_settings_shown(self):
        if not self.settings["shows_settings"]:
            raise Refusal(403, "Resource not accessible by integration")

    def workflow_permissions(self, query, body):
        self.ensure_settings_shown()
        can_open = self.settings["may_open_pulls"]
        return 200, {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": can_open}

    def subject(self, query, body):
        self.ensure_settings_shown()
        return 200, self.settings["subject"]

    def environment(self, query, body, name):
        if name not in self.environments:
            raise Refusal(404, "Not Found")
        known, url = self.environments[name], f"https://api.github.com/repos/{self.name}/environments/{name}"
        rule = {"id": 1, "node_id": "R_1", "type": "required_reviewers"}
        reviewers = [{"type": "User"}] * known.get("reviewers", 0)
        policy = {"protected_branches": False, "custom_branch_policies": True} if known.get("restricted") else None
        return 200, {
            "id": 1, "node_id": "E_1", "name": name, "url": url, "html_url": url,
            "created_at": stamp(self.clock.now()), "updated_at": stamp(self.clock.now()),
            "protection_rules": [{**rule, "reviewers": reviewers}] if reviewers else [],
            "deployment_branch_policy": policy,
        }

    def get_branch(self, query, body, branch):
        if f"refs/heads/{branch}" not in self.git.refs:
            raise Refusal(404, "Branch not found")
        protected = bool(self.settings["protected"] and re.fullmatch(self.settings["protected"], branch))
        return 200, {"name": branch, "protected": protected, "protection": {"enabled": protected}}

    def ref(self, name):
        return {"ref": name, "object": {"type": "commit", "sha": self.git.refs[name]}}

    def matching_refs(self, query, body, prefix):
        names = sorted(name for name in self.git.refs if name.startswith(f"refs/{prefix}"))
        return 200, [self.ref(name) for name in names] if query.get("page", "1") == "1" else []

    def known_commit(self, sha):
        if sha not in self.git.commits:
            raise Refusal(422, "Object does not exist")
        return sha

    def create_ref(self, query, body):
        name, sha = body["ref"], self.known_commit(body["sha"])
        if not re.fullmatch(r"refs/[^/]+/[^ ~^:?*\[\\]+", name) or ".." in name or name.endswith((".lock", "/")):
            raise Refusal(422, f"{name} is not a valid ref name.")
        if name in self.git.refs:
            raise Refusal(422, "Reference already exists")
        self.obey("creation", name, "Cannot create ref due to creations being restricted.")
        # github.com/actions/github-script/issues/455 and github/rest-api-description/issues/4887
        if self.protection(name).get("creation"):
            raise Refusal(422, "Reference update failed")
        self.obey_patterns(name, sha)
        self.obey_push_rules(name, sha)
        known = [self.workflow_files(tip) for ref, tip in self.git.refs.items() if ref.startswith("refs/heads/")]
        self.ensure_workflows_known(name, sha, known)
        if any(other.startswith(f"{name}/") or name.startswith(f"{other}/") for other in self.git.refs):
            raise Refusal(422, "Reference update failed")
        self.git.refs[name] = sha
        return 201, self.ref(name)

    def update_ref(self, query, body, name):
        name, sha = f"refs/{name}", self.known_commit(body["sha"])
        if name not in self.git.refs:
            raise Refusal(422, "Reference does not exist")
        self.obey("update", name, "Cannot update this protected ref.")
        self.obey_patterns(name, sha)
        self.obey_push_rules(name, sha)
        self.ensure_workflows_known(name, sha, [self.workflow_files(self.git.refs[name])])
        is_forced = body.get("force") or not self.settings["compares"]
        if not is_forced and self.git.refs[name] not in self.git.ancestors(sha):
            raise Refusal(422, "Update is not a fast forward")
        self.git.refs[name] = sha
        return 200, self.ref(name)

    def delete_ref(self, query, body, name):
        if f"refs/{name}" not in self.git.refs:
            raise Refusal(422, "Reference does not exist")
        self.obey("deletion", f"refs/{name}", "Cannot delete this protected ref.")
        del self.git.refs[f"refs/{name}"]
        return 204, None

    def workflow_files(self, sha):
        files = self.git.files(self.git.commits[sha]["tree"])
        return {path: entry for path, entry in files.items() if path.startswith(".github/workflows/")}

    def ensure_workflows_known(self, ref, sha, known):
        """Without the permission for workflows, a branch takes no workflow file that is new to it."""
        if not ref.startswith("refs/heads/") or self.settings["may_write_workflows"]:
            return
        if self.workflow_files(sha) not in known:
            raise Refusal(403, "Resource not accessible by integration")

    def protection(self, ref):
        """What the classic rule asks of a branch."""
        branch, protected = ref.removeprefix("refs/heads/"), self.settings["protected"]
        return self.settings["protection"] if protected and re.fullmatch(protected, branch) else {}

    def obey_patterns(self, ref, sha):
        """The rules about names, and about the commits that are new to the repository: none of them has had a check."""
        if not ref.startswith("refs/heads/"):
            return
        known = {name for tip in self.git.refs.values() for name in self.git.ancestors(tip)}
        new = [self.git.commits[name] for name in self.git.ancestors(sha) if name not in known]
        # A branch that is new is looked at as a whole, the history of the default branch included
        merges = [c for c in (new if ref in self.git.refs else map(self.git.commits.get, self.git.ancestors(sha))) if len(c["parents"]) > 1]
        branch = ref.removeprefix("refs/heads/")
        # github.com/kubeflow/pipelines/issues/4384, dependabot/dependabot-core/pull/3998
        if new and (checks := self.protection(ref).get("checks")):
            raise Refusal(422, missing_checks(checks))
        for _, rule in self.rules(branch):
            kind, pattern = rule["type"], rule.get("pattern", "")
            words = {
                "branch_name_pattern": ("Branch name must match a given regex pattern", [branch]),
                "commit_message_pattern": ("Commit message must match a given regex pattern", [c["message"] for c in new]),
                "commit_author_email_pattern": ("Author email must match a given regex pattern", ["bot@example.com"] * len(new)),
                "committer_email_pattern": ("Committer email must match a given regex pattern", ["bot@example.com"] * len(new)),
                "required_signatures": ("Commits must have verified signatures.", new),
                # github.com/actions/create-github-app-token/issues/81, wheels-dev/wheels/issues/3283
                "required_status_checks": (missing_checks(rule.get("checks", 1)), new),
                "required_linear_history": ("This branch must not contain merge commits.", merges),
                # No one has published what GitHub says of these two.
                "required_deployments": ("Required deployments are missing.", new),
                "workflows": ("Required workflows are missing.", new),
            }
            said, texts = words.get(kind, ("", []))
            is_broken = any(not kind.endswith("_pattern") or not re.search(pattern, text) for text in texts)
            if is_broken and rule.get("bypass", "never") not in ("always", "exempt"):
                said = f"{said}: {pattern}" if pattern else said
                raise Refusal(422, f"Repository rule violations found\n\n{said}\n\n")

    def obey_push_rules(self, ref, sha):
        """The rules about the files of commits that are new to the repository."""
        if not ref.startswith("refs/heads/"):
            return
        known = {name for tip in self.git.refs.values() for name in self.git.ancestors(tip)}
        changed = {}
        for commit in (self.git.commits[name] for name in self.git.ancestors(sha) if name not in known):
            before = [self.git.files(self.git.commits[parent]["tree"]) for parent in commit["parents"]]
            for path, entry in self.git.files(commit["tree"]).items():
                if all(files.get(path) != entry for files in before):
                    changed[path] = len(self.git.blobs[entry[1]])
        for _, rule in self.rules(ref.removeprefix("refs/heads/")):
            limits = rule.get("parameters", {})
            for path, size in changed.items():
                is_refused = {
                    "file_path_restriction": lambda: any(matches_path(one, path) for one in limits["restricted_file_paths"]),
                    "file_extension_restriction": lambda: path.endswith(tuple(limits["restricted_file_extensions"])),
                    "max_file_path_length": lambda: len(path) > limits["max_file_path_length"],
                    "max_file_size": lambda: size > limits["max_file_size"] * 1_000_000,
                }.get(rule["type"], lambda: False)()
                if is_refused and rule.get("bypass", "never") not in ("always", "exempt"):
                    # No one has published what GitHub says of these by the API.
                    raise Refusal(422, f"Repository rule violations found\n\n{rule['type']}: {path}\n\n")

    def permission(self, query, body, login):
        if not self.settings["may_ask_permissions"]:
            raise Refusal(403, "Resource not accessible by integration")
        granted = "write" if login in self.settings["writers"] else "read"
        return 200, {"permission": granted, "role_name": granted, "user": None}

    def rules(self, branch):
        """The rules for a branch, each with its number."""
        return [(n, rule) for n, rule in enumerate(self.settings["rules"], 1) if re.fullmatch(rule["branches"], branch)]

    def branch_rules(self, query, body, branch):
        source = {"ruleset_source_type": "Repository", "ruleset_source": self.name}
        shown = []
        for number, rule in self.rules(branch):
            pattern = {"parameters": {"operator": "regex", "pattern": rule["pattern"]}} if "pattern" in rule else {}
            pattern = {"parameters": rule["parameters"]} if "parameters" in rule else pattern
            shown.append({"type": rule["type"], "ruleset_id": number, **source, **pattern})
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return 200, shown[size * (page - 1) : size * page]

    def ruleset(self, query, body, number):
        bypass = self.settings["rules"][int(number) - 1].get("bypass", "never")
        source = {"source_type": "Repository", "source": self.name, "enforcement": "active", "target": "branch"}
        return 200, {"id": int(number), "name": "branches", "current_user_can_bypass": bypass, **source}

    def obey(self, kind, ref, words):
        for _, rule in self.rules(ref.removeprefix("refs/heads/")) if ref.startswith("refs/heads/") else []:
            if rule["type"] == kind and rule.get("bypass", "never") not in ("always", "exempt"):
                raise Refusal(422, f"Repository rule violations found\n\n{words}\n\n")

    def get_commit(self, query, body, sha):
        if sha not in self.git.commits:
            raise Refusal(404, "Not Found")
        return 200, self.git_commit(sha)

    def git_commit(self, sha):
        commit = self.git.commits[sha]
        return {
            "sha": sha,
            "tree": {"sha": commit["tree"]},
            "message": commit["message"],
            "parents": [{"sha": parent} for parent in commit["parents"]],
        }

    def create_commit(self, query, body):
        if body["tree"] not in self.git.trees:
            raise Refusal(422, "Tree SHA does not exist")
        parents = [self.known_commit(parent) for parent in body.get("parents", [])]
        return 201, self.git_commit(self.git.commit(body["tree"], parents, body["message"]))

    def get_tree(self, query, body, sha):
        if sha not in self.git.trees:
            raise Refusal(404, "Not Found")
        entries = self.git.files(sha, folders=True) if "recursive" in query else {
            top: (mode, name) for top, mode, name in self.git.trees[sha]
        }
        listed = []
        for path, (mode, name) in sorted(entries.items()):
            kind = {"040000": "tree", "160000": "commit"}.get(mode, "blob")
            entry = {"path": path, "mode": mode, "type": kind, "sha": name}
            if kind == "blob":
                entry["size"] = len(self.git.blobs[name])
            listed.append(entry)
        # GitHub cuts the list of a whole tree only.
        limit = self.settings["listed"] if "recursive" in query else len(listed)
        return 200, {"sha": sha, "tree": listed[:limit], "truncated": len(listed) > limit}

    def create_tree(self, query, body):
        files = {}
        scopes = self.settings["scopes"]
        # What GitHub answers to a classic token without the scope for workflows.
        if scopes is not None and "workflow" not in scopes.split(", ") and any(
            entry["path"].startswith(".github/workflows/") for entry in body["tree"]
        ):
            raise Refusal(404, "Not Found")
        if "base_tree" in body:
            if body["base_tree"] not in self.git.trees:
                raise Refusal(422, "base_tree is not a valid tree oid")
            files = self.git.files(body["base_tree"])
        for entry in body["tree"]:
            if entry["path"].startswith("/") or ".." in entry["path"].split("/"):
                raise Refusal(422, "tree.path contains a malformed path component")
            if "content" in entry:
                files[entry["path"]] = (entry["mode"], self.git.blob(entry["content"].encode()))
            elif entry["sha"] is None:
                if files.pop(entry["path"], None) is None:
                    raise Refusal(422, "GitRPC::BadObjectState")
            elif entry["sha"] in self.git.blobs:
                files[entry["path"]] = (entry["mode"], entry["sha"])
            else:
                raise Refusal(422, f"tree.sha {entry['sha']} is not a valid blob")
        sha = self.git.tree(files)
        return 201, {"sha": sha, "tree": [], "truncated": False}

    def get_blob(self, query, body, sha):
        if sha not in self.git.blobs:
            raise Refusal(404, "Not Found")
        content = self.git.blobs[sha]
        return 200, {"sha": sha, "size": len(content), "encoding": "base64", "content": base64.encodebytes(content).decode()}

    def create_blob(self, query, body):
        content = body["content"].encode()
        if body.get("encoding") == "base64":
            content = base64.b64decode(content)
        return 201, {"sha": self.git.blob(content)}

    def list_commits(self, query, body):
        sha = query.get("sha")
        if sha not in self.git.commits:
            raise Refusal(404, "Not Found")
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        names = self.git.ancestors(sha)[size * (page - 1) : size * page]
        listed = []
        for name in names:
            commit = self.git_commit(name)
            listed.append(
                {
                    "sha": name,
                    "parents": commit["parents"],
                    # GitHub shows a message without the line feeds at its end.
                    "commit": {"message": commit["message"].rstrip("\n"), "tree": commit["tree"]},
                }
            )
        return 200, listed

    def compare(self, query, body, base, head):
        if base not in self.git.commits and f"refs/heads/{base}" not in self.git.refs or head not in self.git.commits:
            raise Refusal(404, "Not Found")
        ours = self.git.ancestors(self.git.refs.get(f"refs/heads/{base}", base))
        theirs = self.git.ancestors(self.known_commit(head))
        merge_base = next(name for name in theirs if name in ours)
        before, after = (self.git.files(self.git.commits[name]["tree"]) for name in (merge_base, head))
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        # GitHub lists no more (its documentation, "Compare two commits").
        files = [{"filename": path} for path in changed[:300]]
        return 200, {"merge_base_commit": self.git_commit(merge_base), "files": files}

    def pull(self, number):
        found = [pull for pull in self.pulls if pull["number"] == int(number)]
        if not found:
            raise Refusal(404, "Not Found")
        return found[0]

    def shown(self, pull, whole=False):
        branch = pull["head"]
        # A branch that is gone stays known by its last commit.
        pull["sha"] = self.git.refs.get(f"refs/heads/{branch}", pull.get("sha"))
        shown = {
            "number": pull["number"],
            "state": pull["state"],
            "title": pull["title"],
            "body": pull["body"],
            "created_at": pull["created_at"],
            "updated_at": pull["updated_at"],
            "merged_at": pull["merged_at"],
            "head": {"ref": branch, "sha": pull["sha"], "repo": {"id": self.id + pull["fork"]}},
            "author_association": pull.get("author") or ("NONE" if pull["fork"] else "MEMBER"),
            "user": {"login": "somebody"},
            "base": {"ref": pull["base"], "repo": {"id": self.id}},
        }
        if whole:
            # The first look only starts to find out.
            known, pull["looked"] = pull["looked"], True
            merges = self.git.merged(self.git.refs[f"refs/heads/{MAIN}"], self.git.refs[f"refs/heads/{branch}"])
            shown["mergeable"] = (merges is not None) if known else None
            shown["mergeable_state"] = ("clean" if merges is not None else "dirty") if known else "unknown"
        return shown

    def list_pulls(self, query, body):
        state, head = query.get("state", "open"), query.get("head")
        found = [
            pull
            for pull in reversed(self.pulls)
            if state in ("all", pull["state"]) and head in (None, f"acme:{pull['head']}")
        ]
        if query.get("sort") == "updated":
            found.sort(key=lambda pull: pull["updated_at"], reverse=True)
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return 200, [self.shown(pull) for pull in found[size * (page - 1) : size * page]]

    def create_pull(self, query, body):
        head, base = body["head"], body["base"]
        # The setting is about GITHUB_TOKEN only.
        if not self.settings["may_open_pulls"] and not self.settings.get("is_app"):
            raise Refusal(403, "GitHub Actions is not permitted to create or approve pull requests.")
        if self.git.refs.get(f"refs/heads/{head}") in self.git.ancestors(self.git.refs[f"refs/heads/{base}"]):
            message = f"No commits between {base} and {head}"
            raise Refusal(422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}])
        if f"refs/heads/{head}" not in self.git.refs:
            raise Refusal(422, "Validation Failed", [{"resource": "PullRequest", "field": "head", "code": "invalid"}])
        if any(pull["head"] == head and pull["state"] == "open" for pull in self.pulls):
            message = f"A pull request already exists for acme:{head}."
            raise Refusal(422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}])
        if len(body.get("body") or "") > 65536:
            message = "body is too long (maximum is 65536 characters)"
            raise Refusal(422, "Validation Failed", [{"resource": "Issue", "code": "custom", "field": "body", "message": message}])
        pull = {
            "number": 100 + len(self.pulls),
            "head": head,
            "base": base,
            "title": body["title"],
            "body": body.get("body"),
            "state": "open",
            "created_at": stamp(self.clock.now()),
            "updated_at": stamp(self.clock.now()),
            "merged_at": None,
            "labels": [],
            "comments": [],
            "reviewers": [],
            "looked": False,
            "fork": 0,
        }
        self.pulls.append(pull)
        return 201, self.shown(pull)

    def get_pull(self, query, body, number):
        return 200, self.shown(self.pull(number), whole=True)

    def update_pull(self, query, body, number):
        pull = self.pull(number)
        if pull["merged_at"] is None:
            pull["state"] = body.get("state", pull["state"])
        return 200, self.shown(pull)

    # The issues. An issue and a pull request share the numbers and the labels.

    def account(self, login):
        """A user of GitHub: an app's has brackets."""
        kind = "Bot" if login.endswith("[bot]") else "User"
        return {"login": login, "id": 41898282 if login == ACTIONS else 1000 + sum(login.encode()), "type": kind}

    def graphql(self, query, body):
        text, variables = body["query"], body.get("variables") or {}
        if "viewer" in text:
            viewer = self.account(self.settings["account"])
            return 200, {"data": {"viewer": {"login": viewer["login"], "databaseId": viewer["id"]}}}
        if "repositoryOwner" in text:
            return 200, self.owned_repositories(text, variables)
        return 200, self.named_repositories(text, variables)

    def owned_repositories(self, text, variables):
        """A page of an owner's repositories, by name. An unknown owner is null without an error."""
        first, after = variables["first"], variables["after"]
        if not 1 <= first <= 100:
            message = f"Requesting {first} records on the `repositories` connection exceeds the `first` limit of 100 records."
            return {"data": None, "errors": [{"type": "EXCESSIVE_PAGINATION", "path": ["query"], "message": message}]}
        owned = [one for one in self.fleet if one["name"].lower().startswith(variables["login"].lower() + "/")]
        if not owned:
            return {"data": {"repositoryOwner": None}}
        owned.sort(key=lambda one: one["name"].lower())
        begin = int(base64.b64decode(after)) if after else 0
        page, nodes, errors = owned[begin : begin + first], [], []
        for index, one in enumerate(page):
            path = ["repositoryOwner", "repositories", "nodes", index]
            nodes.append(self.shown_repository(text, one, path, errors))
        end = begin + len(page)
        info = {"hasNextPage": end < len(owned), "endCursor": base64.b64encode(str(end).encode()).decode()}
        reply = {"data": {"repositoryOwner": {"repositories": {"pageInfo": info, "nodes": nodes}}}}
        return {**reply, "errors": errors} if errors else reply

    def named_repositories(self, text, variables):
        """Single repositories under aliases. One that is not there is null, with an error beside it."""
        data, errors = {}, []
        for alias, files in re.findall(r"(r\d+): repository\([^)]*\) { ((?:\.\.\.R|f0: object.*?}) )}", text):
            number = alias[1:]
            name = f"{variables[f'o{number}']}/{variables[f'n{number}']}"
            found = [one for one in self.fleet if one["name"].lower() == name.lower()]
            if not found:
                message = f"Could not resolve to a Repository with the name '{name}'."
                errors.append({"type": "NOT_FOUND", "path": [alias], "message": message})
                data[alias] = None
            elif files.startswith("f0"):
                data[alias] = {"f0": self.shown_object(found[0], variables[f"e{number}"])}
            else:
                data[alias] = self.shown_repository(text, found[0], [alias], errors)
        return {"data": data, "errors": errors} if errors else {"data": data}

    def shown_repository(self, text, one, path, errors):
        if "error" in one and "file" not in one["error"]:
            errors.append({**one["error"], "path": path})
            return None
        shown = {
            "nameWithOwner": one["name"], "databaseId": one["id"], "isArchived": one.get("archived", False),
            "isFork": one.get("fork", False),
        }
        for alias, expression in re.findall(r'(f\d+): object\(expression: "([^"]+)"\)', text):
            shown[alias] = self.shown_object(one, expression)
            if one.get("error", {}).get("file") == alias:
                shown[alias] = None
                errors.append({"type": one["error"]["type"], "message": one["error"]["message"], "path": [*path, alias]})
        return shown

    def shown_object(self, one, expression):
        """A blob; an object without its fields for a folder; null if there is nothing. GitHub cuts a long text."""
        path = expression.removeprefix("HEAD:")
        if path in one.get("binary", []):
            return {"byteSize": 9, "isBinary": True, "isTruncated": False, "text": None}
        if path not in one["files"]:
            is_folder = any(file.startswith(f"{path}/") for file in one["files"])
            return {} if is_folder else None
        text = one["files"][path]
        is_long = len(text) > LONGEST_TEXT
        return {"byteSize": len(text.encode()), "isBinary": False, "isTruncated": is_long, "text": text[:LONGEST_TEXT]}

    def ensure_issues(self):
        """GitHub looks at the token first, then whether there are issues at all, then at what was sent."""
        if self.settings["issues"] == "read":
            raise Refusal(403, "Resource not accessible by integration")
        if self.settings["issues"] == "disabled":
            raise Refusal(410, "Issues has been disabled in this repository.")

    def ensure_body_fits(self, body):
        if len(body.get("body") or "") > 65536:
            message = "body is too long (maximum is 65536 characters)"
            raise Refusal(422, "Validation Failed", [{"resource": "Issue", "code": "custom", "field": "body", "message": message}])

    def issue(self, number):
        found = [issue for issue in self.issues if issue["number"] == int(number)]
        if not found:
            raise Refusal(404, "Not Found")
        return found[0]

    def shown_issue(self, issue):
        page = f"https://github.com/{self.name}/issues/{issue['number']}"
        return {
            "number": issue["number"], "title": issue["title"], "body": issue["body"], "state": issue["state"],
            "state_reason": issue["state_reason"], "html_url": page, "user": self.account(issue["author"]),
            "created_at": issue["created_at"], "updated_at": issue["updated_at"],
            "assignees": [{"login": login} for login in issue["assignees"]],
        }

    def list_issues(self, query, body):
        """GitHub lists pull requests as issues. It ignores a filter that it cannot apply: the setting `filters`."""
        pulls = [
            {
                **{name: pull[name] for name in ("number", "title", "body", "state", "created_at", "updated_at")},
                "html_url": f"https://github.com/{self.name}/pull/{pull['number']}",
                "user": self.account(pull.get("login", ACTIONS)),
                "pull_request": {"url": f"https://api.github.com/repos/{self.name}/pulls/{pull['number']}"},
            }
            for pull in self.pulls
        ]
        state, creator = query.get("state", "open"), query.get("creator") if self.settings["filters"] else None
        found = [
            issue
            for issue in pulls + [self.shown_issue(issue) for issue in self.issues]
            if state in ("all", issue["state"]) and creator in (None, issue["user"]["login"])
        ]
        order = "updated_at" if query.get("sort") == "updated" else "created_at"
        found.sort(key=lambda issue: (issue[order], issue["number"]), reverse=query.get("direction", "desc") == "desc")
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return 200, found[size * (page - 1) : size * page]

    def create_issue(self, query, body):
        self.ensure_issues()
        if not body["title"]:
            raise Refusal(422, "Validation Failed", [{"resource": "Issue", "field": "title", "code": "missing_field"}])
        self.ensure_body_fits(body)
        return 201, self.shown_issue(self.open_issue(self.settings["account"], body["title"], body.get("body")))

    def open_issue(self, author, title, body):
        now = stamp(self.clock.now())
        issue = {
            "number": 1000 + len(self.issues), "author": author, "title": title, "body": body, "state": "open",
            "state_reason": None, "created_at": now, "updated_at": now, "labels": [], "assignees": [], "comments": [],
        }
        self.issues.append(issue)
        return issue

    def get_issue(self, query, body, number):
        return 200, self.shown_issue(self.issue(number))

    def update_issue(self, query, body, number):
        issue = self.issue(number)
        self.ensure_issues()
        self.ensure_body_fits(body)
        changed = body.get("state", issue["state"]) != issue["state"]
        issue["updated_at"] = stamp(self.clock.now())
        issue.update({name: body[name] for name in ("title", "body", "state") if name in body})
        if changed:
            issue["state_reason"] = body.get("state_reason") or ("completed" if issue["state"] == "closed" else "reopened")
        return 200, self.shown_issue(issue)

    def add_comment(self, query, body, number):
        found = [pull for pull in self.pulls if pull["number"] == int(number)]
        # The comments of a pull request are those of its issue, also where the repository has no issues.
        issue = found[0] if found else self.issue(number)
        if not found:
            self.ensure_issues()
        self.ensure_body_fits(body)
        issue["comments"].append(body["body"])
        issue["updated_at"] = stamp(self.clock.now())
        return 201, {"id": len(issue["comments"]), "body": body["body"], "user": self.account(self.settings["account"])}

    def add_assignees(self, query, body, number):
        """Who cannot be assigned is left out without a word."""
        issue = self.issue(number)
        self.ensure_issues()
        known = [login for login in body["assignees"] if login in self.settings["assignable"]]
        issue["assignees"] += [login for login in known if login not in issue["assignees"]]
        return 201, self.shown_issue(issue)

    def add_labels(self, query, body, number):
        listed = [issue for issue in self.pulls + self.issues if issue["number"] == int(number)]
        if not listed:
            raise Refusal(404, "Not Found")
        listed[0]["labels"] += body["labels"]
        return 200, []

    def request_reviewers(self, query, body, number):
        if "nobody" in body.get("reviewers", []):
            raise Refusal(422, "Reviews may only be requested from collaborators.")
        self.pull(number)["reviewers"] += body.get("reviewers", []) + body.get("team_reviewers", [])
        return 201, self.shown(self.pull(number))

    def runs(self, query, body, file):
        runs = [self.shown_run(run) for run in self.workflows.get(file, [])]
        wanted = [query.get("status"), query.get("event")]
        runs = [
            run for run in reversed(runs)
            if wanted[0] in (None, run["status"], run["conclusion"]) and wanted[1] in (None, run["event"])
        ]
        return 200, {"total_count": len(runs), "workflow_runs": runs}

    def shown_run(self, run):
        conclusion = run.get("conclusion", "success")
        return {
            "id": run["id"],
            "path": f".github/workflows/{run['file']}",
            "head_branch": run.get("branch", self.settings["default_branch"]),
            "created_at": run["at"],
            "updated_at": run.get("ended", run["at"]),
            "status": "completed" if conclusion else "queued",
            "conclusion": conclusion,
            "event": "pull_request" if run.get("fork") else run.get("event", "push"),
            "head_repository": {"id": self.id + bool(run.get("fork"))},
        }

    def get_run(self, query, body, number):
        return 200, self.shown_run(self.run(int(number)))

    def run(self, number):
        for run in self.all_runs():
            if run["id"] == number:
                return run
        raise Refusal(404, "Not Found")

    def all_runs(self):
        return [run for runs in self.workflows.values() for run in runs]

    def add_run(self, run):
        run["id"] = 1001 + len(self.all_runs())
        self.workflows.setdefault(run["file"], []).append(run)
        return run["id"]

    def conclude(self, body):
        self.run(body["id"]).update(conclusion=body["conclusion"], ended=stamp(self.clock.now()))

    def get_workflow(self, query, body, file):
        """GitHub knows the workflows of the default branch."""
        path = f".github/workflows/{file}"
        if path not in self.contents(f"refs/heads/{self.settings['default_branch']}"):
            raise Refusal(404, "Not Found")
        state = self.settings["workflow_states"].get(file, "active")
        return 200, {"id": 1, "name": file, "path": path, "state": state}

    def dispatch(self, query, body, file):
        """A run without a conclusion, until /_control/conclude. A run number comes back only where it was asked for."""
        if not self.settings["may_dispatch"]:
            raise Refusal(403, "Resource not accessible by integration")
        _, workflow = self.get_workflow(query, None, file)
        ref = f"refs/heads/{body['ref'].removeprefix('refs/heads/')}"
        if ref not in self.git.refs:
            raise Refusal(422, f"No ref found for: {body['ref']}")
        if workflow["state"] != "active":
            raise Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
        text = base64.b64decode(self.contents(ref).get(workflow["path"], "")).decode()
        if not re.search(r"^(on:.*|\s+(- )?)\bworkflow_dispatch\b", text, re.MULTILINE):
            raise Refusal(422, "Workflow does not have 'workflow_dispatch' trigger")
        branch = ref.removeprefix("refs/heads/")
        run = {"file": file, "at": stamp(self.clock.now()), "event": "workflow_dispatch", "conclusion": None, "branch": branch}
        number = self.add_run(run)
        if not body.get("return_run_details"):
            return 204, None
        page = f"{self.name}/actions/runs/{number}"
        urls = {"run_url": f"https://api.github.com/repos/{page}", "html_url": f"https://github.com/{page}"}
        return 200, {"workflow_run_id": number, **urls}

    def folder(self, folder):
        owners = [f"/repos/{self.name}", f"/orgs/{self.name.split('/')[0]}"]
        known = [f"{owner}/{product}/secrets" for owner in owners for product in ("actions", "dependabot", "codespaces")]
        if folder not in known + [f"{owners[0]}/environments/{name}/secrets" for name in self.environments]:
            raise Refusal(404, "Not Found")
        return self.keys.setdefault(folder, (PrivateKey.generate(), str(568250167242549743 + len(self.keys))))

    def public_key(self, query, body, folder):
        # The setting "is_app": the token is an app's, which GitHub gives no key of Codespaces.
        if self.settings.get("is_app") and "/codespaces/" in folder:
            raise Refusal(403, "Resource not accessible by integration")
        key, name = self.folder(folder)
        return 200, {"key_id": name, "key": base64.b64encode(bytes(key.public_key)).decode()}

    def get_secret(self, query, body, folder, name):
        self.folder(folder)
        secret = self.secrets.get((folder, name.upper()))
        if secret is None:
            raise Refusal(404, "Not Found")
        shown = {"name": name.upper(), "created_at": secret["created_at"], "updated_at": secret["updated_at"]}
        return 200, shown | ({"visibility": secret["visibility"]} if folder.startswith("/orgs/") else {})

    def secret_repositories(self, query, body, folder, name):
        chosen = self.secrets[folder, name.upper()]["repositories"]
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        shown = chosen[size * (page - 1) : size * page]
        return 200, {"total_count": len(chosen), "repositories": [{"id": number} for number in shown]}

    def installation(self, query, body):
        # The setting "installation": the token is an app's, for "all" or for "selected" repositories.
        selection = self.settings.get("installation")
        if not selection:
            raise Refusal(403, "You must authenticate with an installation access token in order to list repositories for an installation.")
        return 200, {"total_count": 1, "repositories": [{"id": 4711}], "repository_selection": selection}

    def put_secret(self, query, body, folder, name):
        key, key_id = self.folder(folder)
        if body.get("key_id") != key_id:
            raise Refusal(422, "Invalid key_id")
        try:
            value = SealedBox(key).decrypt(base64.b64decode(body["encrypted_value"])).decode()
        except Exception:
            raise Refusal(422, "Bad request - encrypted_value is not sealed for this key") from None
        if folder.startswith("/orgs/") and body.get("visibility") not in ("all", "private", "selected"):
            raise Refusal(422, "Invalid request.\n\nNo subschema in \"oneOf\" matched.")
        chosen = {"visibility": body.get("visibility"), "repositories": body.get("selected_repository_ids", [])}
        known = self.keep(folder, name, value, chosen)
        return (204, None) if known else (201, {})

    def keep(self, folder, name, value, chosen):
        """Writes a secret; tells whether there was one."""
        now, known = stamp(self.clock.now()), self.secrets.get((folder, name.upper()))
        created = known["created_at"] if known else now
        self.secrets[folder, name.upper()] = {"value": value, "created_at": created, "updated_at": now, **chosen}
        return known is not None

    # --- What people do

    def person_writes(self, body):
        if "repository" in body:
            return self.members[body.pop("repository")].person_writes(body)
        if "number" in body:
            self.issue(body["number"]).update({name: body[name] for name in ("body", "state") if name in body})
            return body["number"]
        for _ in range(body.get("count", 1)):
            issue = self.open_issue(body["author"], "An issue", body.get("body"))
            issue["state"] = body.get("state", "open")
        return issue["number"]

    def push(self, body):
        ref = f"refs/heads/{body.get('branch', MAIN)}"
        self.git.refs.setdefault(ref, self.git.refs[f"refs/heads/{MAIN}"])
        files = self.git.content(ref)
        for path, content in body["files"].items():
            if content is None:
                files.pop(path, None)
            else:
                mode = body.get("modes", {}).get(path, "100644")
                files[path] = (mode, self.git.blob(base64.b64decode(content)))
        self.git.refs[ref] = self.git.commit(self.git.tree(files), [self.git.refs[ref]], body.get("message", "push"))

    def forge(self, body):
        chain, sha = [], self.git.refs[body["ref"]]
        while sha:
            chain.append(sha)
            sha = next(iter(self.git.commits[sha]["parents"]), None)
        wanted = [body["event"] in ("*", self.git.commits[name]["message"].split()[1]) for name in chain]
        if body["event"] != "*":
            newest = wanted.index(True)
            wanted = [number == newest for number in range(len(chain))]
        head = None
        for name, is_wanted in reversed(list(zip(chain, wanted, strict=True))):
            commit, parents = self.git.commits[name], [head] if head else []
            head = self.forged(commit, parents, body) if is_wanted else self.git.commit(commit["tree"], parents, commit["message"])
        self.git.refs[body["ref"]] = head

    def forged(self, commit, parents, body):
        files = self.git.files(commit["tree"])
        title, _, entry = commit["message"].partition("\n\n")
        entry = json.dumps({**json.loads(entry), **body.get("entry", {})})
        changed = {**body.get("files", {}), "entry.json": base64.b64encode(entry.encode()).decode()}
        for path, content in changed.items():
            if content is None:
                files.pop(path)
            else:
                files[path] = ("100644", self.git.blob(base64.b64decode(content)))
        return self.git.commit(self.git.tree(files), parents, f"{title}\n\n{entry}\n")

    def append(self, body):
        head, user = self.git.refs.get(body["ref"]), body["ref"].rpartition("/")[2]
        entry = json.dumps({"version": 1, "user": user, "at": body["at"], "run": "1", **body["entry"]})
        tree = self.git.tree({"entry.json": ("100644", self.git.blob(entry.encode()))})
        self.git.refs[body["ref"]] = self.git.commit(tree, [head] if head else [], f"keytide: {body['entry']['event']} (x)\n\n{entry}\n")

    def merge(self, body):
        pull = self.pull(body["number"])
        ours, theirs = self.git.refs[f"refs/heads/{MAIN}"], self.git.refs[f"refs/heads/{pull['head']}"]
        files = self.git.merged(ours, theirs)
        if files is None or pull["state"] != "open":
            raise Refusal(405, "Pull Request is not mergeable")
        self.git.refs[f"refs/heads/{MAIN}"] = self.git.commit(self.git.tree(files), [ours, theirs], "merge")
        pull["state"], pull["merged_at"] = "closed", stamp(self.clock.now())

    def propose(self, body):
        numbers = [self.propose_one({**body, "branch": f"{body['branch']}-{n}"}) for n in range(body.get("count", 0))]
        return numbers[-1] if numbers else self.propose_one(body)

    def propose_one(self, body):
        ref, main = f"refs/heads/{body['branch']}", self.git.refs[f"refs/heads/{MAIN}"]
        files = self.git.content(f"refs/heads/{MAIN}")
        files |= {path: ("100644", self.git.blob(base64.b64decode(text))) for path, text in body["files"].items()}
        self.git.refs[ref] = self.git.commit(self.git.tree(files), [main], "propose")
        _, pull = self.create_pull({}, {"head": body["branch"], "base": MAIN, "title": "A change"})
        self.pulls[-1].update(fork=int(body.get("fork", False)), author=body.get("author"))
        return pull["number"]

    def close(self, body):
        pull = self.pull(body["number"])
        if body.get("open") and f"refs/heads/{pull['head']}" not in self.git.refs:
            raise Refusal(422, "state cannot be changed. The head branch was deleted.")
        pull["state"] = "open" if body.get("open") else "closed"

    def branch(self, body):
        """GitHub closes the pull requests of a branch that goes, or that has nothing to bring any more."""
        ref, to = f"refs/heads/{body['name']}", body.get("to")
        if to:
            self.git.refs[ref] = self.git.refs[to]
        else:
            del self.git.refs[ref]
        if self.git.refs.get(ref) in [None, *self.git.ancestors(self.git.refs[f"refs/heads/{MAIN}"])]:
            for pull in self.pulls:
                pull["state"] = "closed" if pull["head"] == body["name"] else pull["state"]

    def contents(self, ref):
        files = self.git.content(ref).items()
        return {path: base64.b64encode(self.git.blobs[sha]).decode() for path, (_, sha) in files}

    def secret(self, body):
        if body["value"] is None:
            del self.secrets[body["folder"], body["name"].upper()]
            return
        chosen = {"visibility": body.get("visibility"), "repositories": body.get("repositories", [])}
        self.keep(body["folder"], body["name"], body["value"], chosen)

    def state(self):
        main = self.contents(f"refs/heads/{MAIN}")
        journals = {
            name: [self.git.commits[sha]["message"] for sha in self.git.ancestors(tip)][::-1]
            for name, tip in self.git.refs.items()
            if name.startswith("refs/keytide/")
        }
        histories = {
            name: [self.git.commits[sha]["message"].split("\n")[0] for sha in self.git.ancestors(tip)]
            for name, tip in self.git.refs.items()
        }
        commits = {name: self.git.ancestors(tip) for name, tip in self.git.refs.items()}
        secrets = {f"{folder}/{name}": secret for (folder, name), secret in self.secrets.items()}
        objects = [base64.b64encode(blob).decode() for blob in self.git.blobs.values()]
        return {
            "refs": self.git.refs, "pulls": self.pulls, "secrets": secrets, "files": main, "journals": journals,
            "objects": objects, "histories": histories, "commits": commits, "issues": self.issues,
            "runs": self.all_runs(),
        }

    # --- The rest

    def kept(self):
        """Everything but the clock, the log and the faults."""
        git = (self.git.blobs, self.git.trees, self.git.commits, self.git.refs)
        return git, self.pulls, self.secrets, self.keys, self.environments, self.workflows, self.issues

    def restore(self, kept):
        git, self.pulls, self.secrets, self.keys, self.environments, self.workflows, self.issues = kept
        self.git.blobs, self.git.trees, self.git.commits, self.git.refs = git
        self.faults.clear()
        self.log.clear()

    def answer(self, method, target, headers, body):
        """Status, headers and body."""
        url = urlsplit(target)
        sent = url.path.removeprefix("/api/v3")
        path = unquote(sent)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if path.startswith("/_control/"):
            return 200, {}, self.control[method, path.removeprefix("/_control/")](body)
        token = re.sub("^(gh[psou]_|github_pat_)", "", headers.get("Authorization", "").split(" ")[-1])
        if token.split("-")[0] != TOKEN:
            raise Refusal(401, "Bad credentials")
        operation = self.contract.request(method, sent, query, body)
        # docs.github.com/en/enterprise-server has no page of Codespaces, and the API no such path.
        if sent != url.path and "/codespaces/" in path:
            raise Refusal(404, "Not Found")
        if method != "GET" and self.settings["archived"]:
            raise Refusal(403, "Repository was archived so is read-only.")
        if method != "GET" and not self.settings["may_write"]:
            raise Refusal(403, "Resource not accessible by integration")
        if self.is_too_fast(method, path):
            message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            return 403, {"Retry-After": "1"}, {"message": message}
        fault = self.fault(f"{method} {path}")
        if fault:
            if fault.get("applied"):
                self.answered(method, path, query, body)
            if fault.get("race"):
                self.write_first(path, body)
            if "spoil" in fault:
                status, value = self.answered(method, path, query, body)
                return fault.get("status", status), {"X-Spoilt": fault["spoil"]}, value
            if "kill" in fault:
                with open(fault["kill"]) as file:
                    os.kill(int(file.read()), signal.SIGKILL)
                return 0, {}, None
            return fault["status"], fault.get("headers", {}), fault.get("body", {"message": fault.get("message", "a fault")})
        status, value = self.answered(method, path, query, body)
        if operation and self.is_ours(path):
            self.contract.reply(operation, status, value)
        scopes = self.settings["scopes"]
        return status, {} if scopes is None else {"X-OAuth-Scopes": scopes}, value

    def write_first(self, path, body):
        """Another run writes the same entry to the reference, right before this request."""
        name = body.get("ref") or "refs/" + path.partition("/git/refs/")[2]
        commit = self.git.commits[body["sha"]]
        self.git.refs[name] = self.forged(commit, commit["parents"], {"entry": {"run": "another"}})

    def is_ours(self, path):
        """Whether the reply is of this program."""
        return True

    def hold(self, request):
        """How late this request is, in seconds."""
        with self.lock:
            fault = self.fault(request, "hold")
        return fault["hold"] if fault else 0

    def fault(self, request, kind=None):
        """The first fault that this request meets, if any."""
        for fault in self.faults:
            if kind not in (fault.keys() & {"hold"} or {None}):
                continue
            if not re.fullmatch(fault["match"], request) or fault.get("times", 1) == 0:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            return fault
        return None

    def answered(self, method, path, query, body):
        """Status and body, of a refusal too."""
        try:
            return self.route(method, path, query, body)
        except Refusal as refusal:
            return refusal.status, refusal.body()

    def is_too_fast(self, method, path):
        """GitHub's secondary limit: so many changes a second."""
        limit, now = self.settings["changes_a_second"], time.monotonic()
        if limit is None or method == "GET" or path.endswith("/graphql"):
            return False
        self.changes = [at for at in self.changes if now - at < 1]
        if len(self.changes) >= limit:
            return True
        self.changes.append(now)
        return False

    def member(self, path):
        """Another repository of the fleet, which has issues of its own; None for a path of none."""
        for one in self.fleet:
            name = one["name"]
            if name != self.name and f"{path.lower()}/".startswith(f"/repos/{name.lower()}/"):
                if name not in self.members:
                    member = Github(self.contract, one["id"], name, self.clock)
                    member.settings.update(account=self.settings["account"], **one.get("settings", {}))
                    self.members[name] = member
                return self.members[name]
        return None

    def route(self, method, path, query, body):
        member = self.member(path) if self.fleet else None
        if member:
            return member.route(method, path, query, body)
        for wanted, pattern, handler in self.routes:
            found = re.fullmatch(pattern, path)
            if found and wanted == method:
                return handler(query, body, *found.groups())
        raise Refusal(404, "Not Found")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def serve(self):
        github = self.server.github
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        begun = time.monotonic()
        time.sleep(github.hold(f"{self.command} {unquote(urlsplit(self.path).path)}"))
        with github.lock:
            try:
                body = json.loads(raw) if raw else None
                status, headers, value = github.answer(self.command, self.path, self.headers, body)
            except Refusal as refusal:
                status, headers, value = refusal.status, {}, refusal.body()
            except (KeyError, TypeError, ValueError) as error:
                status, headers, value = 422, {}, {"message": f"Invalid request: {error!r}"}
            if not self.path.startswith("/_control/"):
                told = {"method": self.command, "path": self.path, "body": raw.decode(), "status": status}
                github.log.append({**told, "headers": dict(self.headers), "at": begun})
            date = format_datetime(github.clock.now(), usegmt=True)
        if status == 0:
            self.close_connection = True
            return
        content = b"" if status == 204 else json.dumps(value).encode()
        how = headers.pop("X-Spoilt", None)
        content = spoil(how, content, raw)
        part = sent(how, content)
        if part is not None:
            self.close_connection = True
        if part == 0:
            return
        self.send_response_only(status)
        self.send_header("Date", date)
        for name, text in headers.items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:part])

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def log_message(self, *_):
        """Says nothing: a served request is kept, not logged."""


def stop_at_end_of_input(server):
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.shutdown()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--exit-with-stdin", action="store_true")
    parser.add_argument("--id", type=int, default=4711, help="the repository's")
    parser.add_argument("--contract", required=True, help="the slim description that github_contract.py writes")
    parser.add_argument("--peers", nargs=2, metavar=("NODE", "FOLDER"), help="for github_emulate.py")
    return parser.parse_args()


class Server(ThreadingHTTPServer):
    # So many connections may wait: with the default of five, a burst on a busy machine waits a second for the next try.
    request_queue_size = 128
    daemon_threads = True


def serve(arguments, github):
    server = Server((HOST, arguments.port), Handler)
    server.github = github
    if arguments.exit_with_stdin:
        threading.Thread(target=stop_at_end_of_input, args=(server,), daemon=True).start()
    print(f"listening on {HOST}:{server.server_port}", flush=True)
    server.serve_forever()


def main():
    arguments = parse_arguments()
    serve(arguments, Github(Contract(arguments.contract), arguments.id))


if __name__ == "__main__":
    main()
