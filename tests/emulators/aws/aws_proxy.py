"""AWS under its own host names, to see which of them are asked: a proxy that ends TLS itself.

    python3 aws_proxy.py EMULATOR_PORT CA_FILE

It prints `listening on 127.0.0.1:PORT` when CA_FILE holds the certificate of its authority. Whatever comes through a
tunnel goes to the emulator on this machine. `GET /hosts` answers the hosts that tunnels were asked for, a JSON list. Ends
with standard input.
"""

import json
import os
import select
import socket
import ssl
import sys
import tempfile
import threading
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


class Authority:
    """Issues a certificate for every host."""

    def __init__(self, file):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = self.named("an authority for tests")
        certificate = self.builder(self.name, self.key).add_extension(x509.BasicConstraints(True, None), True)
        with open(file, "wb") as out:
            out.write(pem(certificate.sign(self.key, hashes.SHA256())))

    @staticmethod
    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(self, subject, key):
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        return builder.not_valid_after(now + timedelta(days=1))

    def context(self, host):
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = self.builder(self.named(host[:60]), key).add_extension(names, False)
        certificate = certificate.sign(self.key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem(certificate) + private)
            file.flush()
            context.load_cert_chain(file.name)
        return context


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
        head += more
    return head.decode("latin-1")


def relay(inner, outer):
    while True:
        ready = [inner] if inner.pending() else select.select([inner, outer], [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (outer if source is inner else inner).sendall(data)


def serve(connection, authority, emulator, hosts):
    method, target, *_ = read_head(connection).split(" ")
    if method != "CONNECT":
        body = json.dumps(hosts)
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        connection.close()
        return
    host = target.rpartition(":")[0]
    hosts.append(host)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with authority.context(host).wrap_socket(connection, server_side=True) as inner:
        with socket.create_connection((HOST, emulator)) as outer:
            relay(inner, outer)


def accept(listener, *state):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, *state), daemon=True).start()


def main():
    listener = socket.create_server((HOST, 0))
    state = (Authority(sys.argv[2]), int(sys.argv[1]), [])
    threading.Thread(target=accept, args=(listener, *state), daemon=True).start()
    print(f"listening on {HOST}:{listener.getsockname()[1]}", flush=True)
    while os.read(sys.stdin.fileno(), 4096):
        pass


if __name__ == "__main__":
    main()
