"""SimulatePrincipalPolicy, which moto does not have: what the policies of a user or a role allow, as moto reads them.

Conditions of policies are not evaluated, and there are no permission boundaries and no policies of an organization.
"""

from xml.sax.saxutils import escape

from moto.iam import access_control, models
from moto.sts.models import sts_backends

PARTITION = "aws"
ACTION = "iam:SimulatePrincipalPolicy"


def policies_of(arn):
    """The policies of a user or a role, by its ARN; None when there is no such principal."""
    account, resource = arn.split(":")[4], arn.split(":")[5]
    kind, name = resource.split("/")[0], resource.split("/")[-1]
    backend = models.iam_backends[account][PARTITION]
    if kind == "user" and name in backend.users:
        key = object.__new__(access_control.IAMUserAccessKey)
        key._owner_user_name = name
    elif kind == "role" and any(role.name == name for role in backend.get_roles()):
        key = object.__new__(access_control.AssumedRoleAccessKey)
        key._owner_role_name = name
    else:
        return None
    key.account_id, key.partition = account, PARTITION
    return key.collect_policies()


def caller_of(access_key_id):
    """The ARN of the user or the role that an access key belongs to."""
    for account, backends in list(models.iam_backends.items()):
        for user in backends[PARTITION].users.values():
            if any(key.access_key_id == access_key_id for key in user.access_keys):
                return user.arn
        for role in sts_backends[account][PARTITION].assumed_roles:
            if role.access_key_id == access_key_id:
                return role.role_arn
    return "arn:aws:iam::000000000000:user/unknown"


def decide(policies, action, resource):
    results = {access_control.IAMPolicy(policy).is_action_permitted(action, resource) for policy in policies}
    if access_control.PermissionResult.DENIED in results:
        return "explicitDeny"
    return "allowed" if access_control.PermissionResult.PERMITTED in results else "implicitDeny"


def members(values, name):
    """The values of a list of the query protocol."""
    found = []
    while (value := values.get(f"{name}.member.{len(found) + 1}")) is not None:
        found.append(value)
    return found


def answer(values, is_operator):
    """The reply, or None when there is no such principal. The operator may do all, and is no user."""
    policies = [] if is_operator else policies_of(values["PolicySourceArn"])
    if policies is None:
        return None
    results = []
    for action in members(values, "ActionNames"):
        for resource in members(values, "ResourceArns") or ["*"]:
            decision = "allowed" if is_operator else decide(policies, action, resource)
            results.append(
                f"<member><EvalActionName>{escape(action)}</EvalActionName>"
                f"<EvalResourceName>{escape(resource)}</EvalResourceName><EvalDecision>{decision}</EvalDecision></member>"
            )
    return (
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>"
        f"<EvaluationResults>{''.join(results)}</EvaluationResults></SimulatePrincipalPolicyResult>"
        "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
    )
