"""Long runs of base64: images, fonts, certificates, signatures. IDs inside them have no boundary."""

from render import File

FILES = [
    File("decoys/blobs/logo.html", "base64-image", r"""<!doctype html>
<img alt="logo" src="data:image/png;base64,iVBORw0KGgo<<run 3200>>AA==">
<p>Hosted on AWS.</p>
"""),
    File("decoys/blobs/icons.css", "base64-image", r""".aws { background: url(data:image/gif;base64,R0lGODlh<<run 900>>) no-repeat; }
.key { background: url("data:image/svg+xml;base64,PHN2Zy<<run 600>>="); }
"""),
    File("decoys/blobs/image.ipynb", "base64-image", r"""{
 "cells": [
  {
   "cell_type": "code",
   "outputs": [
    {"data": {"image/png": "iVBORw0KGgo<<run 6000>>AA==\n", "text/plain": ["<Figure>"]}}
   ],
   "source": ["plot(aws_costs)"]
  }
 ],
 "nbformat": 4,
 "nbformat_minor": 5
}
"""),
    File("decoys/blobs/photo.eml", "mime", r"""From: jo@example.com
Subject: AWS bill
MIME-Version: 1.0
Content-Type: image/jpeg
Content-Transfer-Encoding: base64

<<blob 40>>
"""),
    File("decoys/blobs/mail.eml", "mime", r"""From: ines@example.com
DKIM-Signature: v=1; a=rsa-sha256; d=amazonses.com; s=224i4yxa5dv7c2xz3womw6peuasteono;
 bh=<<b64 43>>=; b=<<b64 64>>
 <<b64 64>>=
Content-Type: text/plain

The invoice of AWS is attached.
"""),
    File("decoys/blobs/fonts.css", "base64-font", r"""@font-face {
  font-family: Ember;
  src: url(data:font/woff2;base64,d09GMgABAAAAA<<run 8000>>=) format("woff2");
}
"""),
    File("decoys/blobs/font.svg", "base64-font", r"""<svg xmlns="http://www.w3.org/2000/svg"><defs><style>
@font-face{font-family:x;src:url(data:application/font-woff;base64,d09GRgABAAAA<<run 2000>>)}
</style></defs><path d="M12 4.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15z"/></svg>
"""),
    File("decoys/blobs/ca.pem", "certificate", r"""# Amazon Root CA
-----BEGIN CERTIFICATE-----
<<b64lines 18>>
<<run 64>>
<<b64 24>>==
-----END CERTIFICATE-----
-----BEGIN CERTIFICATE-----
<<b64lines 12>>
-----END CERTIFICATE-----
"""),
    File("decoys/blobs/ingress.yaml", "certificate", r"""apiVersion: v1
kind: Secret
metadata: {name: aws-ca}
type: Opaque
data:
  ca.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t<<run 1600>>
"""),
    File("decoys/blobs/webhook.yaml", "certificate", r"""apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: pod-identity-webhook}
webhooks:
  - name: pod-identity-webhook.amazonaws.com
    clientConfig:
      caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t<<run 1200>>
"""),
    File("decoys/blobs/release.asc", "pgp", r"""-----BEGIN PGP SIGNATURE-----

<<b64lines 6>>
<<run 64>>
=<<b64 4>>
-----END PGP SIGNATURE-----
"""),
    File("decoys/blobs/aws-cli.pub", "pgp", r"""The key that signs the AWS CLI.

-----BEGIN PGP PUBLIC KEY BLOCK-----

<<b64lines 20>>
<<run 64>>
=<<b64 4>>
-----END PGP PUBLIC KEY BLOCK-----
"""),
    File("decoys/blobs/authorized_keys", "ssh-public-key", r"""ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ<<run 540>> jo@aws-bastion
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI<<b64 43>> ines@aws
ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB<<b64 88>>= ci
"""),
    File("decoys/blobs/known_hosts", "ssh-public-key", r"""|1|<<b64 27>>=|<<b64 27>>= ssh-rsa AAAAB3NzaC1yc2E<<run 340>>
git-codecommit.eu-west-1.amazonaws.com ssh-rsa AAAAB3NzaC1yc2E<<run 340>>
"""),
    File("decoys/blobs/instance-identity.txt", "pkcs7", r"""-----BEGIN PKCS7-----
<<b64lines 14>>
<<run 64>>
-----END PKCS7-----
"""),
    File("decoys/blobs/token.jwt", "jwt", (
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImF3cyJ9.<<alnum 300>>.<<alnum 342>>\n"
    )),
    File("decoys/blobs/userdata.yaml", "gzip-base64", r"""#cloud-config
write_files:
  - path: /opt/aws/agent.json
    encoding: gz+b64
    content: H4sIAAAAAAAA<<run 1600>>=
"""),
    File("decoys/blobs/helm-release.yaml", "gzip-base64", r"""apiVersion: v1
kind: Secret
metadata:
  name: sh.helm.release.v1.aws-load-balancer-controller.v1
type: helm.sh/release.v1
data:
  release: SDRzSUFBQUFBQUFD<<run 4000>>
"""),
    File("decoys/blobs/bundle.js.map", "source-map", (
        '{"version":3,"sources":["aws.ts"],"names":["secretAccessKey","accessKeyId"],'
        '"mappings":"AAAA,SAASA,GAAGC,EAAEC<<run 5000>>"}\n'
    )),
    File("decoys/blobs/sprite.min.js", "long-line", (
        '!function(){var aws="data:image/png;base64,iVBORw0KGgo<<run 260000>>";'
        "document.images[0].src=aws}();\n"
    )),
    File("decoys/blobs/wasm.js", "long-line", (
        'const wasm="AGFzbQEAAAABh<<run 90000>>";export const aws=()=>atob(wasm);\n'
    )),
    File("decoys/blobs/data.csv", "long-line", (
        "id,thumbnail\n1,/9j/4AAQSkZJRgABAQ<<run 30000>>\n2,/9j/4AAQSkZJRgABAQ<<run 30000>>\n"
    )),
    File("decoys/blobs/dump.txt", "encoded-lines", "begin-base64 644 aws.bin\n<<blob 4000>>\n====\n"),
]
