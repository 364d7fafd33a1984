"""Opens what keytide sealed, with other people's libraries: a list of questions on standard input, as many answers out."""

import base64
import json
import sys


def age(question):
    import pyrage

    identity = pyrage.x25519.Identity.from_str(question["identity"])
    return pyrage.decrypt(base64.b64decode(question["data"]), [identity]).decode()


def box(question):
    import nacl.public

    key = nacl.public.PrivateKey(base64.b64decode(question["secret_key"]))
    return nacl.public.SealedBox(key).decrypt(base64.b64decode(question["data"])).decode()


def box_key(question):
    import nacl.public

    key = nacl.public.PrivateKey.generate()
    return [base64.b64encode(bytes(part)).decode() for part in (key, key.public_key)]


def certificate(question):
    """A key of the controller and its certificate, valid between two times."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, question.get("bits", 2048))
    name = x509.Name([])
    times = [datetime.datetime.fromisoformat(question[end]) for end in ("from", "until")]
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(7).not_valid_before(times[0]).not_valid_after(times[1])
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signed = built.sign(key, hashes.SHA256())
    return [private.decode(), signed.public_bytes(pem).decode(), signed.fingerprint(hashes.SHA256()).hex()]


def smtp_password(question):
    """The SMTP password of Amazon SES, by AWS's published derivation."""
    import hashlib
    import hmac

    key = ("AWS4" + question["secret"]).encode()
    for message in ("11111111", question["region"], "ses", "aws4_request", "SendRawEmail"):
        key = hmac.new(key, message.encode(), hashlib.sha256).digest()
    return base64.b64encode(bytes([4]) + key).decode()


def unseal(question):
    """The values of the SealedSecrets of a manifest, as the controller would write them into Secrets."""
    import yaml
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from kubesealpy import SealedSecret, Unsealer

    unsealer = Unsealer.from_private_key(load_pem_private_key(question["key"].encode(), None))
    values = {}
    for manifest in yaml.safe_load_all(question["manifest"]):
        if manifest and manifest.get("kind") == "SealedSecret":
            secret = unsealer.unseal(SealedSecret.model_validate(manifest))
            values |= {name: base64.b64decode(value).decode() for name, value in secret.data.items()}
    return values


def main():
    answers = []
    for question in json.load(sys.stdin):
        try:
            answers.append({"answer": globals()[question["do"]](question)})
        except Exception as error:  # what the library says goes into the test's message
            answers.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answers, sys.stdout)


main()
