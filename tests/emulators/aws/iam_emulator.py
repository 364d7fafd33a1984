"""An AWS account to test keytide against: moto's IAM, STS, Secrets Manager, Parameter Store and KMS on a loopback port.

    python3 iam_emulator.py PORT [--auth] [--exit-with-stdin]

Port 0 picks a free one. When it accepts connections the emulator prints `listening on 127.0.0.1:PORT` and never
another line; what goes wrong inside moto is told on standard error. Its requirements stand in `requirements.txt`.

Control routes, JSON in and JSON out, for what the AWS API itself cannot do. A wrong request changes nothing and is
answered with a 4xx status and {"error": TEXT}.

    POST   /_keytide/seed      creates users, answers {NAME: [{"id": ID, "secret": SECRET}]}
    POST   /_keytide/reset     forgets every account, fault and count; the time is the machine's again
    GET    /_keytide/requests  answers {"total": N, "actions": {ACTION: N}}: the AWS requests served so far
    DELETE /_keytide/requests  sets those counts to zero
    POST   /_keytide/clock     {"now": RFC3339, "told": BOOL}: the time from now on, which goes on from there; null is the
                               machine's; `told` adds it to every reply as its `Date`
    POST   /_keytide/use       {"id": ID, "secret": SECRET, "service": NAME}: an application uses a key; the answer is
                               {"served": BOOL}
    POST   /_keytide/faults    [{"action": NAME, "status": N, "code": TEXT, "times": N, "skip": N, "applied": BOOL,
                               "kill": FILE, "spoil": HOW, "hold": SECONDS, "after": NAME, "quotes": BOOL}]: requests fail, or kill
                               the process whose ID is in the file, or their reply is spoilt (`spoilt.py`), or they
                               are late; `*` is every action, `after` an action that must have been asked for before,
                               `quotes` adds the request to the error's words; DELETE ends them
    GET    /_keytide/snapshot  answers {"snapshot": TEXT}: the accounts, for /_keytide/restore of any other such process
    GET    /_keytide/log       answers [{"at": SECONDS, "action": NAME, "headers": {}, "body": TEXT}]: every request, by the
                               clock that all programs of a machine share; DELETE forgets them
    GET    /_keytide/keys      answers {USER: [{"id": ID, "secret": SECRET, "status": STATUS, "used": SERVICE or null}]}

A seed names its account and its users; all else may be left out. Without `id` moto picks one, without `created_at`
it is now, without `last_used` the key was never used. `policies` are ARNs of managed policies to attach: those of
AWS_POLICIES below, and what a test created before.

    {"account": "123456789012",
     "users": [{"name": "alice", "path": "/", "created_at": "2013-01-01T00:00:00Z", "console_password": true,
                "tags": {"keytide:owner": "42"}, "policies": ["arn:aws:iam::aws:policy/AdministratorAccess"],
                "keys": [{"id": "AKIAI44QH8DHBEXAMPLE", "created_at": "2013-04-03T18:49:57Z", "status": "Active",
                          "last_used": {"at": "2014-01-01T00:00:00Z", "service": "s3", "region": "us-east-1"}}],
                "service_credentials": [{"id": "ACCAI44QH8DHBEXAMPLE", "service": "bedrock.amazonaws.com",
                                         "created_at": "2014-01-01T00:00:00Z", "status": "Active",
                                         "expires_at": "2015-01-01T00:00:00Z"}]}]}

Without `--auth` every request is served, whoever signed it. With it a request needs a known, active key, a right
signature and a policy that allows the action; AssumeRoleWithWebIdentity needs a token that the role's trust policy
accepts in place of them (`web_identity.py`). Only the operator, whose key pair is test/test, may always do all (in the
account 123456789012), and is none of its users.
"""

import argparse
import json
import os
import pickle
import re
import signal
import sys
import threading
from base64 import b64decode, b64encode
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from time import monotonic
from xml.sax.saxutils import escape

sys.path.append(str(Path(__file__).resolve().parent.parent))

import aws_stores
import service_credentials
import simulate
import web_identity
from moto import settings
from moto.core import responses
from moto.core.base_backend import BackendDict
from moto.core.responses import BaseResponse, EmptyResult
from moto.iam import models
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from spoilt import sent, spoil
from werkzeug.exceptions import BadRequest, Conflict, HTTPException, MethodNotAllowed, NotFound
from werkzeug.serving import make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

HOST = "127.0.0.1"
CONTROL = "/_keytide/"
OPERATOR = "test"
WEB_IDENTITY = "AssumeRoleWithWebIdentity"
PARTITION = "aws"
KEYS_PER_USER = 2
JSON_KINDS = {bool: "true or false", dict: "an object", list: "a list", str: "a text"}

# The managed policies that a test can attach: those AWS puts on a user whose key leaked, and two that grant something.
AWS_POLICIES = (
    "AWSCompromisedKeyQuarantine",
    "AWSCompromisedKeyQuarantineV2",
    "AWSCompromisedKeyQuarantineV3",
    "AWSCompromisedKeyQuarantineV4",
    "AWSCompromisedKeyQuarantineV5",
    "AdministratorAccess",
    "IAMReadOnlyAccess",
)


# --- The seed: checked as a whole before anything is written ------------------------------------------------------


@dataclass(frozen=True)
class KeySeed:
    id: str | None
    created_at: datetime
    status: str
    last_used: models.AccessKeyLastUsed | None


@dataclass(frozen=True)
class ServiceCredentialSeed:
    id: str
    service: str
    created_at: datetime
    status: str
    expires_at: datetime | None


@dataclass(frozen=True)
class UserSeed:
    name: str
    path: str
    created_at: datetime
    console_password: bool
    tags: dict[str, str]
    policies: list[str]
    keys: list[KeySeed]
    service_credentials: list[ServiceCredentialSeed]


# A reader takes the place of a JSON value in the seed, for its errors, and the value; it answers what the value means.


def of_kind(kind):
    def read(where, value):
        if not isinstance(value, kind):
            raise BadRequest(f"{where}: expected {JSON_KINDS[kind]}, not {json.dumps(value)}")
        return value

    return read


def matching(pattern, meaning):
    def read(where, value):
        if not re.fullmatch(pattern, text(where, value), re.DOTALL):
            raise BadRequest(f"{where}: expected {meaning}, not {json.dumps(value)}")
        return value

    return read


def list_of(read_element):
    def read(where, value):
        return [read_element(f"{where}[{index}]", element) for index, element in enumerate(array(where, value))]

    return read


def map_of(read_element):
    def read(where, value):
        return {name: read_element(f"{where}.{name}", element) for name, element in mapping(where, value).items()}

    return read


text, flag, array, mapping = map(of_kind, (str, bool, list, dict))
account_id = matching(r"\d{12}", "12 digits")
# Not held to IAM's alphabet: a test may want a hostile one.
user_name = matching(".+", "a name")
user_path = matching("/|/.*/", "a path between slashes")
# Of any other length moto would not know who signed a request.
key_id = matching("[A-Z0-9]{20}", "20 capitals and digits")
key_status = matching("Active|Inactive", "Active or Inactive")
# An API key that has ended.
credential_status = matching("Active|Inactive|Expired", "Active, Inactive or Expired")


def time(where, value):
    """A moment as moto keeps it: in UTC, without a zone."""
    try:
        moment = datetime.fromisoformat(text(where, value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequest(f"{where}: expected a time such as 2013-04-03T18:49:57Z, not {json.dumps(value)}")
    return moment.astimezone(UTC).replace(tzinfo=None)


class Clock:
    """The time that AWS serves, which a test may set; it goes on from there."""

    def __init__(self):
        self.set(None)

    def set(self, moment):
        self.base, self.since = moment, monotonic()

    def now(self):
        if self.base is None:
            return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        return (self.base + timedelta(seconds=monotonic() - self.since)).replace(microsecond=0)


CLOCK = Clock()
now = CLOCK.now


class Fields:
    """The fields of one JSON object, taken one by one.

    Leaving the `with` block complains about those that nobody took: a misspelt field must not pass for a default.
    """

    def __init__(self, where, value):
        self.where = where
        self.left = dict(mapping(where, value))

    def __enter__(self):
        return self

    def __exit__(self, error_type, *_):
        if error_type is None and self.left:
            raise BadRequest(f"{self.where}: unknown field {', '.join(sorted(self.left))}")

    def optional(self, name, read, default=None):
        """The field as `read` understands it, or the default where it is absent or null."""
        value = self.left.pop(name, None)
        return default if value is None else read(f"{self.where}.{name}", value)

    def required(self, name, read):
        value = self.optional(name, read)
        if value is None:
            raise BadRequest(f"{self.where}.{name}: missing")
        return value


def last_use(where, value):
    with Fields(where, value) as fields:
        return models.AccessKeyLastUsed(
            timestamp=fields.required("at", time),
            service=fields.required("service", text),
            region=fields.required("region", text),
        )


def key_seed(where, value):
    with Fields(where, value) as fields:
        return KeySeed(
            id=fields.optional("id", key_id),
            created_at=fields.optional("created_at", time, now()),
            status=fields.optional("status", key_status, "Active"),
            last_used=fields.optional("last_used", last_use),
        )


def key_seeds(where, value):
    keys = list_of(key_seed)(where, value)
    if len(keys) > KEYS_PER_USER:
        raise BadRequest(f"{where}: IAM allows {KEYS_PER_USER} keys a user, not {len(keys)}")
    return keys


def service_credential_seed(where, value):
    with Fields(where, value) as fields:
        return ServiceCredentialSeed(
            id=fields.required("id", key_id),
            service=fields.required("service", text),
            created_at=fields.optional("created_at", time, now()),
            status=fields.optional("status", credential_status, "Active"),
            expires_at=fields.optional("expires_at", time),
        )


def user_seed(where, value):
    with Fields(where, value) as fields:
        return UserSeed(
            name=fields.required("name", user_name),
            path=fields.optional("path", user_path, "/"),
            created_at=fields.optional("created_at", time, now()),
            console_password=fields.optional("console_password", flag, False),
            tags=fields.optional("tags", map_of(text), {}),
            policies=fields.optional("policies", list_of(text), []),
            keys=fields.optional("keys", key_seeds, []),
            service_credentials=fields.optional("service_credentials", list_of(service_credential_seed), []),
        )


def read_seed(document):
    """The account and its new users."""
    with Fields("seed", document) as fields:
        return fields.required("account", account_id), fields.required("users", list_of(user_seed))


# --- Writing it into moto's own objects ---------------------------------------------------------------------------


def refuse_conflicts(backend, users):
    """Refuses names and key IDs that are taken or named twice, and policies that do not exist."""
    names = Counter(user.name for user in users)
    key_ids = Counter(key.id for user in users for key in user.keys if key.id)
    for taken, wanted in ((backend.users, names), (backend.access_keys, key_ids)):
        clashes = [name for name, times in wanted.items() if times > 1 or name in taken]
        if clashes:
            raise Conflict(f"already exists: {', '.join(clashes)}")
    unknown = {arn for user in users for arn in user.policies} - backend.managed_policies.keys()
    if unknown:
        raise BadRequest(f"no such managed policy: {', '.join(sorted(unknown))}")


def add_key(backend, user, seed):
    key = models.AccessKey(user.name, prefix="AKIA", account_id=backend.account_id, status=seed.status)
    key.access_key_id = seed.id or key.access_key_id
    key.create_date = seed.created_at
    key.last_used = seed.last_used
    user.access_keys.append(key)
    backend.access_keys[key.access_key_id] = key
    return {"id": key.access_key_id, "secret": key.secret_access_key}


def add_user(backend, seed):
    """Creates one user and answers its key pairs."""
    tags = [{"Key": name, "Value": value} for name, value in seed.tags.items()]
    user = backend.create_user("us-east-1", seed.name, seed.path, tags)
    user.create_date = seed.created_at
    user.password = "seeded" if seed.console_password else None
    for arn in seed.policies:
        backend.attach_user_policy(arn, seed.name)
    service_credentials.add(user, backend.account_id, seed.service_credentials)
    return [add_key(backend, user, key) for key in seed.keys]


def signer_of(headers):
    """The access key ID that a request is signed with, or None."""
    credential = re.search(r"Credential=([^/]+)/", headers.get("Authorization", ""))
    return credential and credential[1]


def is_inactive(access_key_id):
    accounts = list(models.iam_backends.values())
    keys = (account[PARTITION].access_keys.get(access_key_id) for account in accounts)
    return any(key and key.status == "Inactive" for key in keys)


# --- Where moto is not IAM enough ---------------------------------------------------------------------------------


def error_document(code, message):
    """An error as IAM and STS word it."""
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )


def error_response(status, code, message, headers=()):
    if aws_stores.is_json(headers):
        return Response(aws_stores.error_json(code, message), status, mimetype="application/x-amz-json-1.1")
    return Response(error_document(code, message), status, mimetype="text/xml")


def carry_aws_policies():
    """Gives every account the policies of AWS_POLICIES.

    moto has none unless asked, and then builds all 1,582 anew for every account, partition and reset: a second each.
    """
    every = json.loads(models.aws_managed_policies_data)
    # moto knows the versions of the quarantine policy up to the third; AWS has a fourth, and may add others.
    third = "AWSCompromisedKeyQuarantineV3"
    for name in set(AWS_POLICIES) - set(every):
        every[name] = json.loads(json.dumps(every[third]).replace(third, name))
    models.aws_managed_policies_data = json.dumps({name: every[name] for name in AWS_POLICIES})
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"


def date_credential_reports():
    """Makes a credential report as old as it is: moto says of each that it was generated in February 2015."""
    undated = IamResponse.get_credential_report

    def dated(self):
        report = undated(self)
        report.result["GeneratedTime"] = now()
        return report

    IamResponse.get_credential_report = dated


def take_more_audiences():
    """Lets an OIDC provider get another audience, which moto does not serve. One that is there already changes nothing."""

    def add(self):
        provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
        audience = self._get_param("ClientID")
        if audience not in provider.client_id_list:
            provider.client_id_list.append(audience)
        return EmptyResult()

    IamResponse.add_client_id_to_open_id_connect_provider = add


def require_authentication():
    """Turns moto's authentication on for all but the operator.

    moto wraps the errors that it raises here once too often (`<Errors><Error>`), so that an SDK finds no code in them.
    """
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    authenticate = BaseResponse._authenticate_and_authorize_normal_action

    def authenticate_all_but_the_operator(self, resource="*"):
        if signer_of(self.headers) == OPERATOR or self._get_action() == WEB_IDENTITY:
            return
        try:
            authenticate(self, aws_stores.resource_of(self))
        except HTTPException as refusal:
            document = aws_stores.error_json if aws_stores.is_json(self.headers) else error_document
            refusal.description = document(refusal.error_type, refusal.message)
            raise

    BaseResponse._authenticate_and_authorize_normal_action = authenticate_all_but_the_operator


# --- The server ---------------------------------------------------------------------------------------------------


@cache
def moto_application():
    return Dispatcher(create_backend_app)


def load():
    """Has moto read what it reads at the first request of each service."""
    carry_aws_policies()
    emulator = Client(Emulator(auth=False))
    for service, action in (("iam", "ListUsers"), ("sts", "GetCallerIdentity")):
        emulator.post("/", data={"Action": action, "Version": "2010-05-08"}, headers=headers_of(service))
    for service, action in (("ssm", "AmazonSSM.DescribeParameters"), ("secretsmanager", "secretsmanager.ListSecrets")):
        headers = {**headers_of(service), "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": action}
        emulator.post("/", data="{}", headers=headers)
    BackendDict.reset()


def headers_of(service):
    """Those by which moto knows the service of a request."""
    scope = f"{OPERATOR}/20260301/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


class RequestCounts:
    """How many AWS requests were served, by action."""

    def __init__(self):
        self.lock = threading.Lock()
        self.actions = Counter()

    def add(self, action):
        with self.lock:
            self.actions[action] += 1

    def clear(self):
        with self.lock:
            self.actions.clear()

    def as_json(self):
        with self.lock:
            return {"total": self.actions.total(), "actions": dict(sorted(self.actions.items()))}


def action_of(request):
    """What a request asks for: a form names it, a JSON service's header does, of any other the path must do."""
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    return request.values.get("Action") or target or f"{request.method} {request.path}"


class Dispatcher(DomainDispatcherApplication):
    """moto's choice of a service by its host, made once for each host: moto lists its own folders for every request."""

    def __init__(self, create_app):
        super().__init__(create_app)
        self.get_backend_for_host = cache(self.get_backend_for_host)


class Emulator:
    """The WSGI application: control routes, and moto behind the counts and, with `auth`, behind the inactive keys."""

    def __init__(self, auth):
        self.auth = auth
        self.counts = RequestCounts()
        self.moto = moto_application()
        self.routes = {
            "seed": {"POST": self.seed},
            "reset": {"POST": self.reset},
            "requests": {"GET": self.read_counts, "DELETE": self.clear_counts},
            "clock": {"POST": self.set_clock},
            "use": {"POST": self.use},
            "faults": {"POST": self.add_faults, "DELETE": lambda _: self.faults.clear()},
            "keys": {"GET": self.keys},
            "snapshot": {"GET": self.snapshot},
            "restore": {"POST": self.restore},
            "log": {"GET": lambda _: self.log, "DELETE": lambda _: self.log.clear()},
        }
        self.faults, self.log = [], []
        self.tells_time = False
        self.over = threading.Event()

    def __call__(self, environ, start_response):
        request = Request(environ)
        # Read to its end for the next request on this connection, and left for moto to read again.
        environ["wsgi.input"] = BytesIO(request.get_data())
        answer = self.control if request.path.startswith(CONTROL) else self.aws
        return answer(request)(environ, self.dated(start_response) if self.tells_time else start_response)

    def dated(self, start_response):
        date = ("Date", format_datetime(now().replace(tzinfo=UTC), usegmt=True))
        return lambda status, headers, *rest: start_response(status, [*headers, date], *rest)

    def control(self, request):
        try:
            methods = self.routes.get(request.path.removeprefix(CONTROL))
            if methods is None:
                raise NotFound(f"no such route: {request.path}")
            if request.method not in methods:
                raise MethodNotAllowed(list(methods), f"expected {' or '.join(methods)}")
            status, answer = HTTPStatus.OK, methods[request.method](request)
        except HTTPException as error:
            status, answer = error.code, {"error": error.description}
        return Response(json.dumps(answer), status, mimetype="application/json")

    def seed(self, request):
        account, users = read_seed(request.get_json(force=True))
        backend = models.iam_backends[account][PARTITION]
        refuse_conflicts(backend, users)
        return {user.name: add_user(backend, user) for user in users}

    def reset(self, _request):
        BackendDict.reset()
        CLOCK.set(None)
        self.tells_time = False
        self.end_faults()
        self.counts.clear()
        return {}

    def end_faults(self):
        """Forgets the faults and the requests. One that is still held meets what is here now no more."""
        self.faults.clear()
        self.log.clear()
        self.over.set()
        self.over = threading.Event()

    def read_counts(self, _request):
        return self.counts.as_json()

    def clear_counts(self, _request):
        self.counts.clear()
        return self.counts.as_json()

    def set_clock(self, request):
        with Fields("clock", request.get_json(force=True)) as fields:
            CLOCK.set(fields.optional("now", time))
            self.tells_time = fields.optional("told", flag, False)
        return {}

    def use(self, request):
        with Fields("use", request.get_json(force=True)) as fields:
            wanted = fields.required("id", key_id)
            secret, service = fields.required("secret", text), fields.required("service", text)
        for backends in list(models.iam_backends.values()):
            key = backends[PARTITION].access_keys.get(wanted)
            if key and key.status == "Active" and key.secret_access_key == secret:
                key.last_used = models.AccessKeyLastUsed(timestamp=now(), service=service, region="us-east-1")
                return {"served": True}
        return {"served": False}

    def add_faults(self, request):
        self.faults.extend(request.get_json(force=True))
        return {}

    def keys(self, _request):
        users = {}
        for backends in list(models.iam_backends.values()):
            for user in backends[PARTITION].users.values():
                users[user.name] = [
                    {
                        "id": key.access_key_id,
                        "secret": key.secret_access_key,
                        "status": key.status,
                        "used": key.last_used and key.last_used.service,
                    }
                    for key in user.access_keys
                ]
        return users

    def snapshot(self, _request):
        accounts = {account: backends[PARTITION].__dict__ for account, backends in models.iam_backends.items()}
        return {"snapshot": b64encode(pickle.dumps(accounts)).decode()}

    def restore(self, request):
        BackendDict.reset()
        for account, kept in pickle.loads(b64decode(request.get_json(force=True)["snapshot"])).items():
            models.iam_backends[account][PARTITION].__dict__.update(kept)
        self.end_faults()
        return {}

    def met(self, action):
        """The first fault that a request meets, if any."""
        for fault in self.faults:
            if fault["action"] not in (action, "*") or fault.get("times", 1) == 0:
                continue
            if "after" in fault and not any(told["action"] == fault["after"] for told in self.log):
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            return fault
        return None

    def fault(self, request):
        """The reply that a fault puts in the place of the right one."""
        fault = self.met(action_of(request))
        if fault is None:
            return None
        fault["times"] = fault.get("times", 1) - 1
        if "hold" in fault:
            was_ended = self.over.wait(fault["hold"])
            return error_response(503, "ServiceUnavailable", "the test is over", request.headers) if was_ended else None
        if fault.get("applied") or "spoil" in fault:
            answer = Response.from_app(self.moto, request.environ, buffered=True)
        if "spoil" in fault:
            answer.status_code = fault.get("status", answer.status_code)
            answer.set_data(spoil(fault["spoil"], answer.get_data(), f"{dict(request.headers)}".encode()))
            answer.headers["X-Spoilt"] = fault["spoil"]
            return answer
        if "kill" in fault:
            with open(fault["kill"]) as file:
                os.kill(int(file.read()), signal.SIGKILL)
        code = fault.get("code", "InternalFailure")
        said = f"a fault of {request.get_data(as_text=True)}" if fault.get("quotes") else "a fault"
        return error_response(fault.get("status", 500), code, said, request.headers)

    def aws(self, request):
        self.counts.add(action_of(request))
        body = request.get_data(as_text=True)
        told = {"at": monotonic(), "action": action_of(request), "headers": dict(request.headers), "body": body}
        self.log.append(told)
        fault = self.fault(request)
        if fault is not None:
            return fault
        if self.auth and is_inactive(signer_of(request.headers)):
            # moto would serve it, and take it for a use of the key.
            message = "The security token included in the request is invalid."
            return error_response(HTTPStatus.FORBIDDEN, "InvalidClientTokenId", message, request.headers)
        if action_of(request) == "SimulatePrincipalPolicy":
            return self.simulate(request)
        if self.auth and action_of(request) == WEB_IDENTITY:
            role, token = request.values["RoleArn"], request.values["WebIdentityToken"]
            if not web_identity.may_assume(role, token):
                message = f"Not authorized to perform {web_identity.ACTION}"
                return error_response(HTTPStatus.FORBIDDEN, "AccessDenied", message, request.headers)
        return self.moto

    def simulate(self, request):
        signer = signer_of(request.headers)
        may_all = signer == OPERATOR or not self.auth
        if not may_all:
            caller = simulate.caller_of(signer)
            allowed = simulate.decide(simulate.policies_of(caller) or [], simulate.ACTION, request.values["PolicySourceArn"])
            if allowed != "allowed":
                message = f"User: {caller} is not authorized to perform: {simulate.ACTION}"
                return error_response(HTTPStatus.FORBIDDEN, "AccessDenied", message, request.headers)
        answer = simulate.answer(request.values, may_all)
        if answer is None:
            return error_response(HTTPStatus.NOT_FOUND, "NoSuchEntity", "there is no such principal", request.headers)
        return Response(answer, HTTPStatus.OK, mimetype="text/xml")


class KeepAliveHandler(MotoRequestHandler):
    """Serves many requests on one connection, as AWS does; werkzeug's own handler closes it after the first."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def run_wsgi(self):
        response = self.respond()
        body = response.get_data()
        if self.command != "HEAD":
            response.headers["Content-Length"] = str(len(body))
        part = sent(response.headers.pop("X-Spoilt", None), body)
        if part is not None:
            body, self.close_connection = body[:part], True
        if part == 0:
            return
        self.send_response_only(response.status_code)
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def respond(self):
        """The application's answer. moto raises an exception for what it does not implement: told as an error that
        clients do not retry."""
        try:
            return Response.from_app(self.server.app, self.make_environ(), buffered=True)
        except Exception as error:
            self.log_error("%s %s: %r", self.command, self.path, error)
            return error_response(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", repr(error))

    def log_request(self, *_):
        """Says nothing: a served request is counted, not logged."""


def stop_at_end_of_input(server):
    """Ends the server when whoever holds the other end of standard input closes it, or dies."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.shutdown()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int, help="0 picks a free one")
    parser.add_argument("--auth", action="store_true", help="serve only signed and permitted requests")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop at the end of standard input")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    carry_aws_policies()
    date_credential_reports()
    take_more_audiences()
    service_credentials.serve()
    # moto asks this for every date that it keeps.
    models.utcnow = now
    aws_stores.mend(now)
    # moto looks through the methods of a class at each request; from here on none is added.
    responses.method_names_from_class = cache(responses.method_names_from_class)
    if arguments.auth:
        require_authentication()
    server = make_server(HOST, arguments.port, Emulator(arguments.auth), True, request_handler=KeepAliveHandler)
    if arguments.exit_with_stdin:
        threading.Thread(target=stop_at_end_of_input, args=(server,), daemon=True).start()
    print(f"listening on {HOST}:{server.server_port}", flush=True)
    with redirect_stdout(sys.stderr):
        server.serve_forever()


if __name__ == "__main__":
    main()
