"""What GitHub promises: its own OpenAPI description, as far as keytide uses it, held against requests and replies.

    python3 github_contract.py DESCRIPTION SLIM    writes the part of the description that is used

A request is a violation when the description does not allow it, and also when it has a query parameter or a field that
the description does not know: GitHub would pass over it, and keytide would mean something that GitHub does not do. A
reply is one when GitHub would not give it: another status, another type, a value that is none of an enumeration's.
"""

import json
import re
import sys
from functools import cache
from urllib.parse import unquote

import jsonschema_rs

REPOSITORY = "/repos/{owner}/{repo}"
DISPATCHES = f"{REPOSITORY}/actions/workflows/{{workflow_id}}/dispatches"
SECRETS = [
    *(f"{REPOSITORY}/{product}/secrets" for product in ("actions", "dependabot", "codespaces")),
    f"{REPOSITORY}/environments/{{environment_name}}/secrets",
    *(f"/orgs/{{org}}/{product}/secrets" for product in ("actions", "dependabot", "codespaces")),
]
# Everything that keytide asks GitHub for. Any other request is a violation.
OPERATIONS = [
    ("get", REPOSITORY),
    ("get", f"{REPOSITORY}/git/matching-refs/{{ref}}"),
    ("post", f"{REPOSITORY}/git/refs"),
    ("patch", f"{REPOSITORY}/git/refs/{{ref}}"),
    ("delete", f"{REPOSITORY}/git/refs/{{ref}}"),
    ("get", f"{REPOSITORY}/collaborators/{{username}}/permission"),
    ("get", f"{REPOSITORY}/branches/{{branch}}"),
    ("get", f"{REPOSITORY}/actions/permissions/workflow"),
    ("get", f"{REPOSITORY}/actions/oidc/customization/sub"),
    ("get", f"{REPOSITORY}/environments/{{environment_name}}"),
    ("get", f"{REPOSITORY}/git/commits/{{commit_sha}}"),
    ("post", f"{REPOSITORY}/git/commits"),
    ("get", f"{REPOSITORY}/git/trees/{{tree_sha}}"),
    ("post", f"{REPOSITORY}/git/trees"),
    ("get", f"{REPOSITORY}/git/blobs/{{file_sha}}"),
    ("post", f"{REPOSITORY}/git/blobs"),
    ("get", f"{REPOSITORY}/commits"),
    ("get", f"{REPOSITORY}/compare/{{basehead}}"),
    ("get", f"{REPOSITORY}/pulls"),
    ("post", f"{REPOSITORY}/pulls"),
    ("get", f"{REPOSITORY}/pulls/{{pull_number}}"),
    ("patch", f"{REPOSITORY}/pulls/{{pull_number}}"),
    ("post", f"{REPOSITORY}/pulls/{{pull_number}}/requested_reviewers"),
    ("get", f"{REPOSITORY}/issues"),
    ("post", f"{REPOSITORY}/issues"),
    ("get", f"{REPOSITORY}/issues/{{issue_number}}"),
    ("patch", f"{REPOSITORY}/issues/{{issue_number}}"),
    ("post", f"{REPOSITORY}/issues/{{issue_number}}/comments"),
    ("post", f"{REPOSITORY}/issues/{{issue_number}}/assignees"),
    ("post", f"{REPOSITORY}/issues/{{issue_number}}/labels"),
    ("get", f"{REPOSITORY}/actions/runs/{{run_id}}"),
    ("get", f"{REPOSITORY}/actions/workflows/{{workflow_id}}/runs"),
    ("get", f"{REPOSITORY}/actions/workflows/{{workflow_id}}"),
    ("post", DISPATCHES),
    ("get", f"{REPOSITORY}/rules/branches/{{branch}}"),
    ("get", f"{REPOSITORY}/rulesets/{{ruleset_id}}"),
    ("get", "/installation/repositories"),
    *(("get", f"{folder}/{{secret_name}}/repositories") for folder in SECRETS if folder.startswith("/orgs/")),
    *(("get", f"{folder}/public-key") for folder in SECRETS),
    *((method, f"{folder}/{{secret_name}}") for folder in SECRETS for method in ("get", "put")),
]
# The one query that keytide sends to GraphQL, which the description leaves out.
GRAPHQL = {"query": "query { viewer { login databaseId } }", "variables": {}}
# The words of the queries about the repositories of a fleet; aliases and variables with a number come to them.
FLEET_WORDS = set(
    "query fragment on R F String Int login after first repositoryOwner repositories ownerAffiliations OWNER orderBy field NAME "
    "direction ASC pageInfo hasNextPage endCursor nodes Repository nameWithOwner databaseId isArchived isFork object "
    "expression GitObject Blob byteSize isBinary isTruncated text repository owner name".split()
)
# Parameters whose slashes stay.
WITH_SLASHES = {"ref"}
# What GitHub answers and its description leaves out: no token, a token that may not, nothing there, too many requests.
UNWRITTEN = {"401", "403", "404", "429"}
# And of one operation: no such branch, no trigger for it, a disabled workflow.
UNWRITTEN_OF = {("post", DISPATCHES): {"422"}}
# Where the stand-in shows no more than keytide reads: by operation, the objects that may lack fields which GitHub
# always gives. `*` is each item of a list, the empty path the whole reply.
PARTIAL = {
    ("get", REPOSITORY): {""},
    ("get", f"{REPOSITORY}/git/matching-refs/{{ref}}"): {"*", "*/object"},
    ("post", f"{REPOSITORY}/git/refs"): {"", "object"},
    ("patch", f"{REPOSITORY}/git/refs/{{ref}}"): {"", "object"},
    ("get", f"{REPOSITORY}/branches/{{branch}}"): {"", "protection"},
    ("get", f"{REPOSITORY}/git/commits/{{commit_sha}}"): {"", "tree", "parents/*"},
    ("post", f"{REPOSITORY}/git/commits"): {"", "tree", "parents/*"},
    ("get", f"{REPOSITORY}/git/blobs/{{file_sha}}"): {""},
    ("post", f"{REPOSITORY}/git/blobs"): {""},
    ("get", f"{REPOSITORY}/commits"): {"*", "*/commit", "*/commit/tree", "*/parents/*"},
    ("get", f"{REPOSITORY}/compare/{{basehead}}"): {"", "files/*", "merge_base_commit", "merge_base_commit/parents/*"},
    ("get", f"{REPOSITORY}/pulls"): {"*", "*/user", "*/head", "*/head/repo", "*/base", "*/base/repo"},
    ("post", f"{REPOSITORY}/pulls"): {"", "user", "head", "head/repo", "base", "base/repo"},
    ("get", f"{REPOSITORY}/pulls/{{pull_number}}"): {"", "user", "head", "head/repo", "base", "base/repo"},
    ("patch", f"{REPOSITORY}/pulls/{{pull_number}}"): {"", "user", "head", "head/repo", "base", "base/repo"},
    ("post", f"{REPOSITORY}/pulls/{{pull_number}}/requested_reviewers"): {"", "user", "head", "head/repo", "base", "base/repo"},
    ("get", f"{REPOSITORY}/issues"): {"*", "*/user", "*/assignees/*", "*/pull_request"},
    **{(method, f"{REPOSITORY}/issues{path}"): {"", "user", "assignees/*"} for method, path in (
        ("post", ""), ("get", "/{issue_number}"), ("patch", "/{issue_number}"), ("post", "/{issue_number}/assignees"),
    )},
    ("post", f"{REPOSITORY}/issues/{{issue_number}}/comments"): {"", "user"},
    ("get", f"{REPOSITORY}/actions/runs/{{run_id}}"): {"", "head_repository"},
    ("get", f"{REPOSITORY}/actions/workflows/{{workflow_id}}/runs"): {"workflow_runs/*", "workflow_runs/*/head_repository"},
    ("get", f"{REPOSITORY}/actions/workflows/{{workflow_id}}"): {""},
    ("get", f"{REPOSITORY}/rulesets/{{ruleset_id}}"): {""},
    ("get", "/installation/repositories"): {"", "repositories/*"},
    **{
        ("get", f"{folder}/{{secret_name}}/repositories"): {"repositories/*"}
        for folder in SECRETS if folder.startswith("/orgs/")
    },
    **{("get", f"{folder}/{{secret_name}}"): {""} for folder in SECRETS if folder.startswith("/orgs/")},
}


# --- The description ----------------------------------------------------------------------------------------------


def resolve(document, node):
    """What a reference stands for."""
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def slim(document):
    """The operations that are used, and what they refer to."""
    paths = {}
    for method, path in OPERATIONS:
        kept = paths.setdefault(path, {})
        kept[method] = document["paths"][path][method]
        if "parameters" in document["paths"][path]:
            kept["parameters"] = document["paths"][path]["parameters"]
    for path in paths.values():
        for operation in path.values():
            drop_examples(operation)
    components = {}
    left = [paths]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left.extend(node)
        elif isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                _, _, section, name = node["$ref"].split("/")
                if name not in components.setdefault(section, {}):
                    components[section][name] = drop_examples(document["components"][section][name])
                    left.append(components[section][name])
            left.extend(node.values())
    return {"openapi": document["openapi"], "info": document["info"], "paths": paths, "components": components}


def drop_examples(node):
    """Some of GitHub's examples do not fit its own schemas, and none is needed."""
    if isinstance(node, list):
        for item in node:
            drop_examples(item)
    elif isinstance(node, dict):
        for name in ("example", "examples"):
            # A schema may have a property of that name, which is a schema.
            if not ("type" in node.get(name, {}) if isinstance(node.get(name), dict) else False):
                node.pop(name, None)
        for value in node.values():
            drop_examples(value)
    return node


# The name by which validators refer to the components of the description, which are read once for all of them.
DESCRIPTION = "urn:github"


def as_json_schema(node, closed):
    """OpenAPI's `nullable` in words of JSON Schema; `closed` objects take no field that they do not name."""
    if isinstance(node, list):
        return [as_json_schema(item, closed) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: as_json_schema(value, closed) for name, value in node.items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = made["$ref"].replace("#", DESCRIPTION + "#")
    if made.get("nullable") is True and "$ref" not in made:
        made.pop("nullable")
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
        if isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        elif "type" not in made:
            made = {"anyOf": [made, {"type": "null"}]}
    if closed and "properties" in made and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


# --- Requests and replies -----------------------------------------------------------------------------------------


class Operation:
    def __init__(self, document, registry, method, path):
        self.method, self.path = method, path
        self.name = f"{method.upper()} {path}"
        self.document = document
        written = document["paths"][path]
        self.described = written[method]
        self.parameters = [
            resolve(document, one) for one in [*written.get("parameters", []), *self.described.get("parameters", [])]
        ]
        pattern = re.sub(
            r"\\\{(\w+)\\\}", lambda found: "(.+)" if found[1] in WITH_SLASHES else "([^/]+)", re.escape(path)
        )
        self.pattern = re.compile(pattern)
        self.names = re.findall(r"\{(\w+)\}", path)
        self.validators = {}
        self.registry = registry

    def content(self, described):
        return described.get("content", {}).get("application/json", {}).get("schema")

    def load(self):
        """Makes the validators of what is written without errors, which are most that a test needs."""
        body = resolve(self.document, self.described.get("requestBody", {}))
        if "content" in body:
            self.validator("request", self.content(body), True)
        for parameter in self.parameters:
            self.validator(f"parameter {parameter['name']}", parameter["schema"], True)
        for status, described in self.described["responses"].items():
            schema = self.content(resolve(self.document, described))
            if status.startswith("2") and schema is not None:
                self.validator(f"reply {status}", schema, False)

    def validator(self, key, schema, closed):
        if key not in self.validators:
            root = as_json_schema(schema, closed)
            self.validators[key] = jsonschema_rs.Draft4Validator(root, validate_formats=True, registry=self.registry)
        return self.validators[key]

    def request(self, values, query, body):
        """What is wrong with a request."""
        written = dict(zip(self.names, values, strict=True))
        for parameter in self.parameters:
            name, where = parameter["name"], parameter["in"]
            given = written.get(name) if where == "path" else query.get(name)
            if given is None:
                if parameter.get("required") and where != "header":
                    yield f"the parameter `{name}` is missing"
                continue
            validator = self.validator(f"parameter {name}", parameter["schema"], True)
            for error in validator.iter_errors(number_or_text(given)):
                # What stands in an address is a text and a number at once.
                if not validator.is_valid(given):
                    yield f"the parameter `{name}`: {error.message}"
        known = {parameter["name"] for parameter in self.parameters if parameter["in"] == "query"}
        for name in query.keys() - known:
            yield f"the parameter `{name}` is unknown"
        yield from self.body(body)

    def body(self, body):
        asked = self.described.get("requestBody")
        if asked is None:
            if body is not None:
                yield "it takes no body"
            return
        asked = resolve(self.document, asked)
        if body is None:
            if asked.get("required"):
                yield "the body is missing"
            return
        for error in self.validator("request", self.content(asked), True).iter_errors(body):
            yield f"{'/'.join(map(str, error.instance_path)) or 'the body'}: {error.message}"

    def is_partial(self):
        """Whether its replies may lack what GitHub says."""
        return (self.method, self.path) in PARTIAL

    def reply(self, status, body):
        """What is wrong with a reply."""
        described = self.described["responses"].get(str(status))
        unwritten = UNWRITTEN | UNWRITTEN_OF.get((self.method, self.path), set())
        if described is None and str(status) not in unwritten:
            yield f"GitHub does not answer {status}"
            return
        schema = described and self.content(resolve(self.document, described))
        if schema is None:
            if status >= 400 and not (isinstance(body, dict) and isinstance(body.get("message"), str)):
                yield "an error without a message"
            elif status < 400 and body:
                yield "GitHub answers this without a body"
            return
        partial = PARTIAL.get((self.method, self.path), set())
        validator = self.validator(f"reply {status}", schema, False)
        # Nearly every reply is as described, which is quicker to say than all that is wrong with one.
        if validator.is_valid(body):
            return
        for error in validator.iter_errors(body):
            path = "/".join("*" if isinstance(part, int) else part for part in error.instance_path)
            if error.kind.name == "required" and path in partial:
                continue
            yield f"{path or 'the reply'}: {error.message}"


def number_or_text(given):
    """The value that a text in an address stands for."""
    return json.loads(given) if re.fullmatch("[0-9]+|true|false", given) else given


@cache
def read_operations(file):
    with open(file) as text:
        document = json.load(text)
    components = {"components": as_json_schema(document["components"], False)}
    registry = jsonschema_rs.Registry([(DESCRIPTION, components)], draft=jsonschema_rs.Draft4)
    return [Operation(document, registry, method, path) for method, path in OPERATIONS]


def load(file):
    """Reads the description and makes its validators."""
    for operation in read_operations(file):
        operation.load()


class Contract:
    """Holds every request and reply against the description, and remembers what does not fit."""

    def __init__(self, file):
        self.operations = read_operations(file)
        self.violations = []
        # Replies that lack a part of what GitHub says, as they may: it takes long to see that they lack no more.
        self.partial_replies = set()

    def find(self, method, path):
        """The operation of a request, and the values of its path. `path` is as it was sent."""
        for operation in self.operations:
            found = operation.pattern.fullmatch(path)
            if found and operation.method == method.lower():
                return operation, [unquote(value) for value in found.groups()]
        return None, []

    def request(self, method, path, query, body):
        """The operation, when GitHub knows it; what is wrong is kept."""
        operation, values = self.find(method, path)
        if (method, path.removeprefix("/api")) == ("POST", "/graphql") and is_known_query(body):
            return None
        if operation is None:
            self.note([f"{method} {path}: no operation that keytide is known to use"])
            return None
        self.note(f"{operation.name}: {wrong}" for wrong in operation.request(values, query, body))
        return operation

    def forget(self):
        found, self.violations = self.violations, []
        return found

    def reply(self, operation, status, body):
        known = operation.is_partial() and (operation.name, status, json.dumps(body))
        if known and known in self.partial_replies:
            return
        wrong = list(operation.reply(status, body))
        self.note(f"{operation.name}, reply {status}: {one}" for one in wrong)
        if not wrong:
            self.partial_replies.add(known)

    def note(self, violations):
        self.violations.extend(violation for violation in violations if violation not in self.violations)


def is_known_query(body):
    """Whether GraphQL would know the query: that of the viewer, or one of fields of repositories."""
    if body == GRAPHQL:
        return True
    if set(body) != {"query", "variables"}:
        return False
    words = re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"', "", body["query"]))
    return all(word in FLEET_WORDS or re.fullmatch(r"[rfone]\d+", word) for word in words)


def main():
    source, target = sys.argv[1:]
    with open(source) as text:
        described = slim(json.load(text))
    with open(target, "w") as text:
        json.dump(described, text)


if __name__ == "__main__":
    main()
