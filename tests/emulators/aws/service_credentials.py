"""The service-specific credentials of IAM users, which moto does not have: a seed names them, and
ListServiceSpecificCredentials lists them, by user or by user and service. `AllUsers` is not served.

moto writes the reply by botocore's model of IAM. `service_credentials_contract.py` reads it by the same model.
"""

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

PAGE = 100
# The services whose credentials are API keys: they have an alias in place of a user name, and may have an end.
API_KEYS = ("bedrock.amazonaws.com", "logs.amazonaws.com")


def serve():
    """Adds the operation to moto's IAM."""
    IamResponse.list_service_specific_credentials = list_service_specific_credentials


def list_service_specific_credentials(self):
    if self._get_param("AllUsers"):
        raise NotImplementedError("AllUsers")
    # Without a user IAM takes the caller's.
    user = self.backend.get_user(self._get_param("UserName"))
    credentials = getattr(user, "service_credentials", [])
    if service := self._get_param("ServiceName"):
        credentials = [one for one in credentials if one["ServiceName"] == service]
    start = int(self._get_param("Marker") or 0)
    end = start + int(self._get_param("MaxItems") or PAGE)
    result = {"ServiceSpecificCredentials": credentials[start:end], "IsTruncated": end < len(credentials)}
    if end < len(credentials):
        result["Marker"] = str(end)
    return ActionResult(result)


def add(user, account, seeds):
    """Gives a user of moto's the credentials of a seed."""
    user.service_credentials = [metadata(user.name, account, seed) for seed in seeds]


def metadata(user, account, seed):
    names = {"ServiceUserName": f"{user}-at-{account}"}
    if seed.service in API_KEYS:
        names = {"ServiceCredentialAlias": f"{user}-at-{account}-key"}
    if seed.expires_at:
        names["ExpirationDate"] = seed.expires_at
    return {
        "UserName": user,
        "Status": seed.status,
        "CreateDate": seed.created_at,
        "ServiceSpecificCredentialId": seed.id,
        "ServiceName": seed.service,
        **names,
    }
