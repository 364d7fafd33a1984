"""What repositories hold that is random and no key: locks, hashes, certificates, images, encrypted values."""

from keys import SECOND, Stream
from render import File

SOPS = "ENC[AES256_GCM,data:<<b64 {n}>>,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]"


def _png():
    """An image's head and some bytes."""
    return "\x89PNG\r\n\x1a\n" + Stream("png", half=SECOND).bytes(5000).decode("latin-1")


FILES = [
    File("decoys/locks/yarn-berry.lock", "lock-file", r"""__metadata:
  version: 8

"@aws-sdk/client-secrets-manager@npm:^3.600.0":
  version: 3.600.0
  resolution: "@aws-sdk/client-secrets-manager@npm:3.600.0"
  checksum: 10c0/<<hex 128>>
  languageName: node
"""),
    File("decoys/locks/yarn-classic.lock", "lock-file", (
        '"@aws-cdk/aws-secretsmanager@1.204.0":\n  version "1.204.0"\n'
        '  resolved "https://npm.example.com/@aws-cdk/aws-secretsmanager/-/aws-secretsmanager-1.204.0.tgz#<<hex 40>>"\n'
        "  integrity sha512-<<b64 86>>==\n\naws-sign2@~0.7.0:\n  integrity sha1-<<b64 27>>=\n"
    )),
    File("decoys/locks/pnpm-lock.yaml", "lock-file", r"""lockfileVersion: '9.0'
packages:
  '@aws-sdk/client-secrets-manager@3.600.0':
    resolution: {integrity: sha512-<<b64 86>>==}
    engines: {node: '>=16.0.0'}
  secretkey-utils@1.0.0:
    resolution: {integrity: sha1-<<b64 27>>=}
"""),
    File("decoys/locks/poetry.lock", "lock-file", r"""[[package]]
name = "aws-secretsmanager-caching"
version = "1.1.3"
files = [
    {file = "aws_secretsmanager_caching-1.1.3-py3-none-any.whl", hash = "sha256:<<hex 64>>"},
]
"""),
    File("decoys/locks/go.sum", "lock-file", (
        "github.com/aws/aws-sdk-go-v2/service/secretsmanager v1.32.0 h1:<<b64 43>>=\n"
        "github.com/aws/aws-sdk-go-v2/service/secretsmanager v1.32.0/go.mod h1:<<b64 43>>=\n"
    )),
    File("decoys/locks/.terraform.lock.hcl", "lock-file", r"""provider "terraform.example.com/hashicorp/aws" {
  version = "5.60.0"
  hashes = [
    "h1:<<b64 43>>=",
    "zh:<<hex 64>>",
  ]
}
"""),
    File("decoys/locks/flake.lock", "lock-file", r"""{"nodes": {"aws-secrets": {"locked": {"lastModified": 1700000000,
 "narHash": "sha256-<<b64 43>>=", "owner": "acme", "repo": "aws-secrets", "rev": "<<hex 40>>", "type": "github"}}},
 "version": 7}
"""),
    File("decoys/locks/Podfile.lock", "lock-file", r"""SPEC CHECKSUMS:
  AWSSecretsManager: <<hex 40>>
  AWSCore: <<hex 40>>
PODFILE CHECKSUM: <<hex 40>>
"""),
    File("decoys/locks/verification-metadata.xml", "lock-file", r"""<component group="com.amazonaws" name="aws-java-sdk-secretsmanager" version="1.12.700">
  <artifact name="aws-java-sdk-secretsmanager-1.12.700.jar"><sha256 value="<<hex 64>>"/></artifact>
</component>
"""),
    File("decoys/hashes/aws-secret-bump.patch", "git-hash", r"""From <<hex 40>> Mon Sep 17 00:00:00 2001
Subject: rotate aws_secret_access_key

See <<hex 40>> and the secret key's history: <<hex 40>>.
"""),
    File("decoys/hashes/actions.yml", "git-hash", r"""steps:
  - uses: aws-actions/aws-secretsmanager-get-secrets@<<hex 40>>
  - uses: aws-actions/configure-aws-credentials@<<hex 40>>
    with: {role-to-assume: "arn:aws:iam::<<digits 12>>:role/aws-secret-reader"}
"""),
    File("decoys/hashes/SHA1SUMS", "checksum", "<<hex 40>>  aws_secret_access_key.md\n<<hex 40>>  secret_key.py\n"),
    File("decoys/hashes/fingerprint.txt", "checksum", (
        "aws secret key fingerprint (SHA1): <<hex 40>>\nSHA256:<<b64 43>>\nMD5:<<hex 32>>\n"
    )),
    File("decoys/hashes/users.htpasswd", "password-hash", (
        "secret_key:$2y$10$<<alnum 53>>\naws:{SHA}<<b64 27>>=\nadmin:$apr1$<<alnum 8>>$<<alnum 22>>\n"
    )),
    File("decoys/uuids/scaleway.env", "uuid", (
        "SCW_ACCESS_KEY=SCW<<upper 17>>\nSCW_SECRET_KEY=<<uuid>>\nAWS_SECRET_ARN_SUFFIX=<<alnum 6>>\n"
    )),
    File("decoys/jwt/session.json", "jwt", (
        '{"aws_secret_source": "vault", "token": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ2YXVsdCJ9.<<alnum 342>>"}\n'
    )),
    File("decoys/jwt/curl.sh", "jwt", (
        "# the secret key is in AWS\ncurl -H 'Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.<<alnum 43>>' "
        "https://example.com/aws/secret\n"
    )),
    File("decoys/pem/secret-key.pem", "certificate", (
        "-----BEGIN CERTIFICATE-----\n<<b64lines 18>>\n<<b64 40>>\n-----END CERTIFICATE-----\n"
    )),
    File("decoys/pem/aws-secret-tls.yaml", "certificate", r"""kind: ConfigMap
metadata: {name: aws-secret-store-ca}
data:
  ca.crt: |
    -----BEGIN CERTIFICATE-----
    <<b64 64>>
    <<b64 64>>
    <<b64 64>>
    <<b64 40>>
    -----END CERTIFICATE-----
"""),
    File("decoys/pem/known_hosts", "ssh-public-key", (
        "|1|<<b64 27>>=|<<b64 27>>= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI<<b64 43>>\n"
        "aws-secret-host ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ<<b64 340>>\n"
    )),
    File("decoys/images/icon.css", "base64-image", (
        ".aws-secret{background:url(data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA<<run 900>>)}\n"
    )),
    File("decoys/images/secret-key.svg", "base64-image", (
        '<svg id="aws-secret-key"><image href="data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ<<run 1200>>"/></svg>\n'
    )),
    File("decoys/images/mail.eml", "base64-image", (
        "Subject: aws secret key\nContent-Transfer-Encoding: base64\n\n<<blob 30>>\n<<b64 40>>\n"
    )),
    File("decoys/images/logo.png", "binary-png", _png(), "latin-1"),
    File("decoys/minified/app.min.js", "minified-js", (
        '(()=>{"use strict";var e={secretAccessKey:t.secretAccessKey,accessKeyId:t.accessKeyId};'
        'function n(e){return e.awsSecretKey||e.secret_key||r(e,"AwsSecretAccessKeyFromEnvironmentOrFile1")}})();\n' * 60
    )),
    File("decoys/minified/chunk.js.map", "source-map", (
        '{"version":3,"names":["secretAccessKey","awsSecretKey"],"mappings":"AAAA,SAASA,<<alnum 40>>,<<alnum 40>>;'
        'AACA,QAAQ<<alnum 9>>,<<alnum 7>>"}\n'
    )),
    File("decoys/sops/helm-secrets.yaml", "sops", (
        "s3:\n  accessKey: " + SOPS.format(n=28) + "\n  secretKey: " + SOPS.format(n=54) + "\n  pin: "
        + SOPS.format(n=40) + "\nsops:\n  mac: " + SOPS.format(n=88) + "\n  version: 3.9.0\n"
    )),
    File("decoys/sops/tfvars.enc.json", "sops", (
        '{"secret_key":"' + SOPS.format(n=40) + '","access_key":"' + SOPS.format(n=28) + '","sops":{"version":"3.9.0"}}\n'
    )),
    File("decoys/sops/secret.enc.env", "sops", (
        "AWS_SECRET_ACCESS_KEY=" + SOPS.format(n=56) + "\nsops_version=3.9.0\n"
    )),
    File("decoys/sealed/list.yaml", "sealed-secret", r"""apiVersion: v1
kind: List
items:
  - apiVersion: bitnami.com/v1alpha1
    kind: SealedSecret
    spec:
      encryptedData:
        secretKey: AgB<<b64 684>>==
        accessKey: >-
          AgC<<b64 64>>
          <<b64 67>>
          <<b64 40>>
"""),
    File("decoys/age/secrets.yaml.age", "age", (
        "-----BEGIN AGE ENCRYPTED FILE-----\n<<b64lines 6>>\n<<b64 40>>\n-----END AGE ENCRYPTED FILE-----\n"
    )),
    File("decoys/age/inline.yaml", "age", r"""aws_secret_access_key: |
  -----BEGIN AGE ENCRYPTED FILE-----
  <<b64 64>>
  <<b64 64>>
  <<b64 40>>
  -----END AGE ENCRYPTED FILE-----
"""),
    File("decoys/vaults/ansible.yml", "ansible-vault", r"""aws_secret_key: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          <<hex 80>>
          <<hex 80>>
          <<hex 40>>
"""),
    File("decoys/vaults/kms.json", "kms-ciphertext", (
        '{"aws_secret_access_key": {"CiphertextBlob": "AQICAHh<<b64 233>>==", "KeyId": "<<uuid>>"}}\n'
    )),
    File("decoys/vaults/chef.json", "chef-data-bag", (
        '{"id": "aws", "secret_key": {"encrypted_data": "<<b64 76>>\\n<<b64 24>>\\n", "iv": "<<b64 16>>\\n", '
        '"auth_tag": "<<b64 22>>==\\n", "version": 3, "cipher": "aes-256-gcm"}}\n'
    )),
    File("decoys/vaults/eyaml.yaml", "eyaml", (
        "profile::aws::secret_key: >\n  ENC[PKCS7,MIIB<<b64 60>>\n  <<b64 64>>\n  <<b64 40>>]\n"
    )),
    File("decoys/vaults/rails.yml.enc", "rails-credentials", "<<b64 420>>--<<b64 16>>--<<b64 22>>==\n"),
    File("decoys/vaults/travis.yml", "travis-secure", (
        'env:\n  global:\n    # AWS_SECRET_ACCESS_KEY\n    - secure: "<<b64 171>>="\n'
    )),
]
