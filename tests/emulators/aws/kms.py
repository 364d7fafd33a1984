"""AWS KMS to test against: moto on a loopback port. Prints its address and the ARN of a key, then, for each line of JSON
with a ciphertext and its context on standard input, the plaintext in Base64. Ends with standard input."""

import base64
import json
import logging
import sys

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://{}:{}".format(*server.get_host_and_port())
kms = boto3.client(
    "kms", region_name="eu-west-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
)
print(url, kms.create_key()["KeyMetadata"]["Arn"], flush=True)
for line in sys.stdin:
    question = json.loads(line)
    ciphertext = base64.b64decode(question["ciphertext"])
    try:
        answer = kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=question["context"])
        print(base64.b64encode(answer["Plaintext"]).decode(), flush=True)
    except Exception as error:
        print(f"{type(error).__name__}", flush=True)
server.stop()
