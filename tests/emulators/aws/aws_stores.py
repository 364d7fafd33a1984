"""Secrets Manager, Parameter Store, KMS and CloudFormation beside the emulator's IAM: where moto is not AWS enough."""

import fnmatch
import json
from types import SimpleNamespace

from moto.iam import access_control
from moto.iam import models as iam
from moto.secretsmanager import models as secrets

PARTITION = "aws"


def mend(now):
    """Lets moto serve the emulator's clock, keep staging labels in order, and read policies as IAM does."""
    secrets.time = SimpleNamespace(time=lambda: now().timestamp())
    let_the_current_version_be_the_default()
    keep_policies_as_texts()
    access_control.IAMPolicyStatement._match = staticmethod(
        lambda pattern, text: fnmatch.fnmatchcase(text, pattern) or None
    )


def let_the_current_version_be_the_default():
    """moto moves AWSCURRENT and goes on serving the version that bore it, and takes it from that one when the next is put."""
    move = secrets.SecretsManagerBackend.update_secret_version_stage

    def moved(self, secret_id, version_stage, remove_from_version_id, move_to_version_id):
        answer = move(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)
        if version_stage == "AWSCURRENT" and move_to_version_id:
            self.secrets[secret_id].set_default_version_id(move_to_version_id)
        return answer

    secrets.SecretsManagerBackend.update_secret_version_stage = moved


def keep_policies_as_texts():
    """moto keeps the policies of CloudFormation's roles as objects, which it then cannot list; YAML reads their version as a date."""
    put = iam.Role.put_policy

    def put_text(self, policy_name, policy_json):
        put(self, policy_name, policy_json if isinstance(policy_json, str) else json.dumps(policy_json, default=str))

    iam.Role.put_policy = put_text


def is_json(headers):
    """Whether a request is one of a JSON service's."""
    return "X-Amz-Target" in headers


def error_json(code, message):
    """An error as the JSON services word it."""
    code = {"AccessDenied": "AccessDeniedException", "InvalidClientTokenId": "UnrecognizedClientException"}.get(code, code)
    return json.dumps({"__type": code, "message": message})


def resource_of(response):
    """The ARN of what a request is about, for the policies; moto looks at none."""
    account, region = response.current_account, response.region
    field = response._get_param
    if response.service_name == "ssm":
        name = field("Name", "").partition(":")[0].lstrip("/")
        return f"arn:{PARTITION}:ssm:{region}:{account}:parameter/{name}"
    if name := field("SecretId"):
        known = secrets.secretsmanager_backends[account][region].secrets.get(name)
        return known.arn if known else f"arn:{PARTITION}:secretsmanager:{region}:{account}:secret:{name}-000000"
    if key := field("KeyId"):
        return key
    users = iam.iam_backends[account][PARTITION]
    name = field("UserName")
    if key := field("AccessKeyId"):
        name = name or getattr(users.access_keys.get(key), "user_name", None)
    if name:
        return users.users[name].arn if name in users.users else f"arn:{PARTITION}:iam::{account}:user/{name}"
    return field("RoleArn") or field("PolicyArn") or "*"
