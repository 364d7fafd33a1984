"""The GitHub that is emulate's and not ours: what keytide asks goes through Prism, which holds it against GitHub's
description, to emulate. Only the secrets are answered by `github_api.py`, since emulate has no public keys for them.

What emulate 0.11.2 does otherwise than GitHub, as far as it shows here:

- it has no `public-key` routes, no environment's secrets, and takes any body for a secret;
- it says of every open pull request that it can be merged, so that no conflict can be played;
- its merge puts the branch's tree onto the default branch, whatever came there since;
- it opens a second pull request from the same branch, one from a branch that does not exist, and one from a branch to
  itself, which is refused here;
- it answers 404 where GitHub answers 422 to the update of a reference that is not there;
- it answers 200 where GitHub answers 201 to a request for reviews;
- its times have milliseconds.
"""

import base64
import json
import re
import subprocess
from datetime import datetime
from http.client import HTTPConnection
from urllib.parse import quote, urlencode, urlsplit

import github_api
from github_api import MAIN, NAME, TOKEN, Refusal
from github_contract import Contract

REPOSITORY = f"/repos/{NAME}"
VIOLATION = re.compile(r'\{"location":\[("request".*?)\],"severity":"Error".*?"message":"(.*?)"\}')


class Emulated(github_api.Github):
    """The routes of the stand-in, answered by the peers."""

    def __init__(self, contract, node, folder, description):
        super().__init__(contract, None)
        script = __file__.replace(".py", "").replace("github_emulate", "github_peers.mjs")
        self.peers = subprocess.Popen(
            [node, script, folder, description], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.prism, self.emulate = self.peers.stdout.readline().split()
        self.control["POST", "clock"] = self.set_clock
        self.id = self.ask("GET", REPOSITORY)["id"]

    # --- What goes on to the peers

    def send(self, address, method, path, query, body):
        connection = HTTPConnection(urlsplit(address).netloc)
        target = path + ("?" + urlencode(query) if query else "")
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json", "User-Agent": "github_emulate"}
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        for where, message in VIOLATION.findall(reply.getheader("sl-violations") or ""):
            self.contract.note([f"Prism: {method} {path}: {where}: {message}"])
        return reply.status, json.loads(content) if content else None

    def ask(self, method, path, body=None):
        """What a person does: not a request of keytide's."""
        status, answer = self.send(self.emulate, method, path, {}, body)
        if status >= 300:
            raise Refusal(status, f"emulate: {method} {path}: {answer}")
        return answer

    def is_ours(self, path):
        return "/secrets/" in path

    def route(self, method, path, query, body):
        if (method, path) == ("POST", f"{REPOSITORY}/pulls") and body["head"] == body["base"]:
            raise Refusal(422, "Validation Failed", [{"message": f"No commits between {body['base']} and {body['head']}"}])
        # Prism takes a parameter with slashes only when they are escaped.
        escaped = re.sub(r"/(git/matching-refs|git/refs|rules/branches)/(.+)", lambda found: f"/{found[1]}/{quote(found[2], safe='')}", path)
        status, answer = self.send(self.prism, method, escaped, query, body)
        if self.is_ours(path):
            return super().route(method, path, query, body)
        if isinstance(answer, dict) and "title" in answer and str(answer.get("type", "")).startswith("https://stoplight.io"):
            raise Refusal(502, f"Prism: {answer}")
        return status, answer

    # --- What people do

    def set_clock(self, body):
        self.clock.set(body["now"])
        self.peers.stdin.write(f"{int(datetime.fromisoformat(body['now']).timestamp() * 1000)}\n")
        self.peers.stdin.flush()
        assert self.peers.stdout.readline() == "ok\n"

    def push(self, body):
        git = f"{REPOSITORY}/git"
        head = self.ask("GET", f"{git}/ref/heads/{MAIN}")["object"]["sha"]
        tree = []
        for path, content in body["files"].items():
            blob = self.ask("POST", f"{git}/blobs", {"content": content, "encoding": "base64"})["sha"]
            tree.append({"path": path, "mode": "100644", "type": "blob", "sha": blob})
        base = self.ask("GET", f"{git}/commits/{head}")["tree"]["sha"]
        tree = self.ask("POST", f"{git}/trees", {"base_tree": base, "tree": tree})["sha"]
        commit = self.ask("POST", f"{git}/commits", {"message": "push", "tree": tree, "parents": [head]})["sha"]
        self.ask("PATCH", f"{git}/refs/heads/{MAIN}", {"sha": commit})

    def merge(self, body):
        self.ask("PUT", f"{REPOSITORY}/pulls/{body['number']}/merge", {})

    def close(self, body):
        self.ask("PATCH", f"{REPOSITORY}/pulls/{body['number']}", {"state": "open" if body.get("open") else "closed"})

    def state(self):
        found = [self.ask("GET", f"{REPOSITORY}/git/matching-refs/{prefix}") for prefix in ("heads/", "keytide/")]
        refs = {one["ref"]: one["object"]["sha"] for one in sum(found, [])}
        tree = self.ask("GET", f"{REPOSITORY}/git/trees/{refs[f'refs/heads/{MAIN}']}?recursive=1")["tree"]
        blobs = {one["path"]: one["sha"] for one in tree if one["type"] == "blob"}
        blob = lambda sha: self.ask("GET", f"{REPOSITORY}/git/blobs/{sha}")["content"]
        pulls = [
            {
                **pull,
                "labels": [label["name"] for label in pull["labels"]],
                "reviewers": [one["login"] for one in pull["requested_reviewers"]],
            }
            for pull in self.ask("GET", f"{REPOSITORY}/pulls?state=all&direction=asc")
        ]
        chains = {name: self.chain(tip) for name, tip in refs.items() if name.startswith("refs/keytide/")}
        journals = {name: [one["commit"]["message"] for one in chain][::-1] for name, chain in chains.items()}
        commits = {name: [one["sha"] for one in chain][::-1] for name, chain in chains.items()}
        secrets = {f"{folder}/{name}": secret for (folder, name), secret in self.secrets.items()}
        files = {path: "".join(blob(sha).split()) for path, sha in blobs.items()}
        told = {"refs": refs, "pulls": pulls, "secrets": secrets, "files": files}
        return {**told, "journals": journals, "commits": commits, "id": self.id}

    def chain(self, tip):
        """All commits that lead to one, newest first."""
        found, page = [], 1
        while True:
            listed = self.ask("GET", f"{REPOSITORY}/commits?sha={tip}&per_page=100&page={page}")
            found, page = found + listed, page + 1
            if len(listed) < 100:
                return found


def main():
    arguments = github_api.parse_arguments()
    node, folder = arguments.peers
    github_api.serve(arguments, Emulated(Contract(arguments.contract), node, folder, arguments.contract))


if __name__ == "__main__":
    main()
