"""GitHub's OIDC provider as a job asks it: a token for any audience, with a signature that others can check.

Usage: signed_tokens.py OWNER/NAME. It prints "listening on HOST:PORT", then the public key's PEM in one line of JSON. It
serves until its standard input ends.
"""

import json
import sys
import threading
import time
from base64 import urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = "https://token.actions.githubusercontent.com"


def encode(content):
    return urlsafe_b64encode(content).rstrip(b"=")


def token(audience):
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": audience,
        "sub": f"repo:{sys.argv[1]}:ref:refs/heads/main",
        "repository": sys.argv[1],
        "repository_id": "4711",
        "ref": "refs/heads/main",
        "iat": now,
        "nbf": now - 60,
        "exp": now + 300,
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    signed = b".".join(map(encode, parts))
    return (signed + b"." + encode(KEY.sign(signed, padding.PKCS1v15(), hashes.SHA256()))).decode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        audience = parse_qs(urlsplit(self.path).query).get("audience", ["none"])[-1]
        allowed = self.headers.get("Authorization", "").lower() == "bearer request"
        body = json.dumps({"value": token(audience)} if allowed else {}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("listening on {}:{}".format(*server.server_address), flush=True)
pem = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
print(json.dumps(pem.decode()), flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
