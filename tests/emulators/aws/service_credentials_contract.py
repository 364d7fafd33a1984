"""Holds the emulator's replies to ListServiceSpecificCredentials against botocore's model of IAM.

    python3 service_credentials_contract.py URL USER MAX_ITEMS

Reads all pages with botocore's own parser. Prints the credentials as JSON, a list for each page; ends with an error where a
reply has an element that the model does not know, lacks one that it requires, or has another type.
"""

import json
import sys
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from xml.etree import ElementTree

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

OPERATION = "ListServiceSpecificCredentials"
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260301/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"


def ask(url, fields):
    body = urlencode({"Action": OPERATION, "Version": "2010-05-08", **fields}).encode()
    with urlopen(Request(url, body, {"Authorization": SIGNED})) as reply:
        return {"status_code": reply.status, "headers": dict(reply.headers), "body": reply.read()}


def unknown_elements(element, shape):
    """The paths of elements that the model does not have."""
    if shape.type_name == "list":
        return [name for member in element for name in unknown_elements(member, shape.member)]
    if shape.type_name != "structure":
        return []
    found = []
    for child in element:
        name = child.tag.rpartition("}")[2]
        known = shape.members.get(name)
        found += unknown_elements(child, known) if known else [f"{shape.name}.{name}"]
    return found


def check(reply, shape):
    """The reply as botocore reads it."""
    parsed = create_parser("query").parse(reply, shape)
    parsed.pop("ResponseMetadata")
    faults = ParamValidator().validate(parsed, shape).generate_report()
    assert not faults, faults
    result = ElementTree.fromstring(reply["body"])[0]
    assert result.tag.endswith(shape.serialization["resultWrapper"]), result.tag
    assert unknown_elements(result, shape) == []
    statuses = shape.members["ServiceSpecificCredentials"].member.members["Status"].enum
    assert all(one["Status"] in statuses for one in parsed["ServiceSpecificCredentials"]), parsed
    return parsed


def main():
    url, user, max_items = sys.argv[1:]
    model = ServiceModel(Loader().load_service_model("iam", "service-2"))
    shape = model.operation_model(OPERATION).output_shape
    pages, more = [], {}
    while True:
        parsed = check(ask(url, {"UserName": user, "MaxItems": max_items, **more}), shape)
        pages.append(parsed["ServiceSpecificCredentials"])
        assert parsed["IsTruncated"] == ("Marker" in parsed), parsed
        if not parsed["IsTruncated"]:
            break
        more = {"Marker": parsed["Marker"]}
    print(json.dumps(pages, default=str))


main()
