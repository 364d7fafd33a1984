"""AssumeRoleWithWebIdentity as IAM decides it: moto gives everyone every role.

The role and the provider of its trust policy must exist, the provider must know the audience, and every condition must
hold. The signature of the token is not looked at, nor its times. StringEquals and StringLike are the operators known
here; a statement with another one permits nothing.
"""

import fnmatch
import json
from base64 import urlsafe_b64decode

from moto.iam import models

PARTITION = "aws"
ACTION = "sts:AssumeRoleWithWebIdentity"
OPERATORS = {"StringEquals": str.__eq__, "StringLike": fnmatch.fnmatchcase}


def may_assume(role_arn, token):
    """Whether the bearer of a token may assume a role."""
    claims = claims_of(token)
    account = role_arn.split(":")[4]
    backend = models.iam_backends[account][PARTITION]
    roles = [role for role in backend.get_roles() if role.arn == role_arn]
    if claims is None or not roles:
        return False
    statements = as_list(json.loads(roles[0].assume_role_policy_document)["Statement"])
    return any(permits(statement, claims, backend.open_id_providers) for statement in statements)


def claims_of(token):
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def permits(statement, claims, providers):
    arn = statement.get("Principal", {}).get("Federated")
    provider = providers.get(arn)
    if statement["Effect"] != "Allow" or ACTION not in as_list(statement["Action"]) or provider is None:
        return False
    if claims.get("iss") != f"https://{provider.url}" or claims.get("aud") not in provider.client_id_list:
        return False
    return all(
        operator in OPERATORS and holds(OPERATORS[operator], keys, claims, provider.url)
        for operator, keys in statement.get("Condition", {}).items()
    )


def holds(matches, keys, claims, issuer):
    """Whether every key of one operator has one of its values. A claim that the token lacks never matches."""
    for key, values in keys.items():
        claim = claims.get(key.removeprefix(f"{issuer}:"))
        if not key.startswith(f"{issuer}:") or not isinstance(claim, str):
            return False
        if not any(matches(claim, value) for value in as_list(values)):
            return False
    return True


def as_list(value):
    return value if isinstance(value, list) else [value]
