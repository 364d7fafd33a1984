"""Encrypted values and files, as the tools that write them leave them."""

from keys import Stream
from render import File

SOPS_VALUE = "ENC[AES256_GCM,data:<<b64 54>>==,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]"
SOPS_ID = "ENC[AES256_GCM,data:<<b64 27>>=,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]"
# A value of thirty bytes has exactly forty characters of base64 once it is encrypted.
SOPS_FORTY = "ENC[AES256_GCM,data:<<b64 40>>,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]"
SOPS_MAC = "ENC[AES256_GCM,data:<<b64 86>>==,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]"
ARMOR = """-----BEGIN AGE ENCRYPTED FILE-----
{indent}YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA<<b64 21>>
{indent}<<b64 64>>
{indent}<<run 64>>
{indent}<<b64 42>>==
{indent}-----END AGE ENCRYPTED FILE-----"""
SOPS_YAML = f"""sops:
    kms: []
    age:
        - recipient: age1<<word 58>>
          enc: |
            {ARMOR.format(indent="            ")}
    lastmodified: "2024-03-04T10:00:00Z"
    mac: {SOPS_MAC}
    pgp:
        - created_at: "2024-03-04T10:00:00Z"
          enc: |-
            -----BEGIN PGP MESSAGE-----

            <<b64 64>>
            <<run 64>>
            =<<b64 4>>
            -----END PGP MESSAGE-----
          fp: <<hex 40>>
    unencrypted_suffix: _unencrypted
    version: 3.8.1
"""


def _agenix():
    """A binary age file: a header in text, then bytes."""
    body = Stream("agenix").bytes(300).decode("latin-1")
    return "age-encryption.org/v1\n-> X25519 <<b64 43>>\n<<b64 43>>\n--- <<b64 43>>\n" + body


def _git_crypt():
    """What git-crypt commits."""
    return "\0GITCRYPT\0" + Stream("git-crypt").bytes(260).decode("latin-1")


FILES = [
    File("decoys/sops/secret.enc.yaml", "sops", (
        "apiVersion: v1\nkind: Secret\nmetadata:\n    name: aws\nstringData:\n"
        f"    AWS_ACCESS_KEY_ID: {SOPS_ID}\n    AWS_SECRET_ACCESS_KEY: {SOPS_VALUE}\n" + SOPS_YAML
    )),
    File("decoys/sops/values.yaml", "sops", (
        f"aws:\n    access_key_id: {SOPS_ID}\n    secret_access_key: {SOPS_VALUE}\n"
        f"    passphrase: {SOPS_FORTY}\n    #ENC[AES256_GCM,data:<<b64 40>>,iv:<<b64 43>>=,tag:<<b64 22>>==,type:comment]\n"
        + SOPS_YAML
    )),
    File("decoys/sops/config.enc.json", "sops", (
        f'{{\n\t"aws_access_key_id": "{SOPS_ID}",\n\t"aws_secret_access_key": "{SOPS_VALUE}",\n'
        f'\t"aws_pin": "{SOPS_FORTY}",\n'
        '\t"sops": {\n\t\t"kms": [{"arn": "arn:aws:kms:eu-west-1:<<digits 12>>:key/<<uuid>>", '
        '"created_at": "2024-03-04T10:00:00Z", "enc": "AQICAHh<<b64 180>>=="}],\n'
        f'\t\t"mac": "{SOPS_MAC}",\n\t\t"version": "3.8.1"\n\t}}\n}}\n'
    )),
    File("decoys/sops/.env.enc", "sops", (
        f"AWS_ACCESS_KEY_ID={SOPS_ID}\nAWS_SECRET_ACCESS_KEY={SOPS_VALUE}\n"
        "sops_age__list_0__map_recipient=age1<<word 58>>\n"
        "sops_age__list_0__map_enc=-----BEGIN AGE ENCRYPTED FILE-----\\n<<b64 64>>\\n<<b64 64>>\\n"
        "-----END AGE ENCRYPTED FILE-----\\n\nsops_lastmodified=2024-03-04T10:00:00Z\n"
        f"sops_mac={SOPS_MAC}\nsops_version=3.8.1\n"
    )),
    File("decoys/sops/credentials.enc.ini", "sops", (
        f"[default]\naws_access_key_id     = {SOPS_ID}\naws_secret_access_key = {SOPS_VALUE}\n\n"
        f"[sops]\nmac = {SOPS_MAC}\nversion = 3.8.1\nlastmodified = 2024-03-04T10:00:00Z\n"
    )),
    File("decoys/sops/credentials.sops", "sops", (
        '{"data": "ENC[AES256_GCM,data:<<run 400>>,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]",'
        f'"sops": {{"mac": "{SOPS_MAC}", "version": "3.8.1"}}}}\n'
    )),
    File("decoys/sops/.sops.yaml", "sops", r"""creation_rules:
  - path_regex: \.enc\.yaml$
    encrypted_regex: ^(data|stringData|secret_access_key)$
    age: age1<<word 58>>
    kms: arn:aws:kms:eu-west-1:<<digits 12>>:key/<<uuid>>
    pgp: <<hex 40>>
"""),
    File("decoys/sealed/sealed-secret.yaml", "sealed-secret", r"""apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: aws
  namespace: web
spec:
  encryptedData:
    AWS_ACCESS_KEY_ID: AgB<<b64 733>>
    AWS_SECRET_ACCESS_KEY: AgC<<run 757>>
  template:
    type: Opaque
"""),
    File("decoys/sealed/sealed-secret.json", "sealed-secret", (
        '{"kind":"SealedSecret","apiVersion":"bitnami.com/v1alpha1","metadata":{"name":"aws"},'
        '"spec":{"encryptedData":{"aws-secret-access-key":"AgD<<run 757>>"}}}\n'
    )),
    File("decoys/age/credentials.age", "age", ARMOR.format(indent="") + "\n"),
    File("decoys/age/vault.yaml", "age", (
        "aws_secret_access_key: |\n    " + ARMOR.format(indent="    ") + "\n"
    )),
    File("decoys/age/aws.age", "age", _agenix(), "latin-1"),
    File("decoys/git-crypt/.env", "git-crypt", _git_crypt(), "latin-1"),
    File("decoys/ansible/vault.yml", "ansible-vault", (
        "$ANSIBLE_VAULT;1.1;AES256\n<<hexlines 9>>\n<<hex 42>>\n"
    )),
    File("decoys/ansible/inline.yml", "ansible-vault", r"""aws_access_key: !vault |
  $ANSIBLE_VAULT;1.2;AES256;prod
  <<hex 80>>
  <<hex 80>>
  <<hex 40>>
aws_secret_key: !vault |
  $ANSIBLE_VAULT;1.2;AES256;prod
  <<hex 80>>
  <<hex 80>>
  <<hex 40>>
"""),
    File("decoys/dotenvx/.env", "dotenvx", r"""#/-------------------[DOTENV_PUBLIC_KEY]--------------------/
DOTENV_PUBLIC_KEY="03<<hex 64>>"
AWS_ACCESS_KEY_ID="encrypted:B<<b64 151>>"
AWS_SECRET_ACCESS_KEY="encrypted:B<<run 179>>"
"""),
    File("decoys/pgp/aws.asc", "pgp-message", r"""-----BEGIN PGP MESSAGE-----

<<b64lines 5>>
<<run 64>>
=<<b64 4>>
-----END PGP MESSAGE-----
"""),
    File("decoys/pgp/encrypted.tfstate", "pgp-message", r"""{
  "resources": [
    {
      "type": "aws_iam_access_key",
      "instances": [{"attributes": {"encrypted_secret": "wcBMA<<run 420>>==", "secret": null}}]
    }
  ]
}
"""),
    File("decoys/others/credentials.yml.enc", "rails-credentials", (
        "<<b64 420>>==--<<b64 16>>--<<b64 22>>==\n"
    )),
    File("decoys/others/.travis.yml", "travis-secure", r"""deploy:
  provider: s3
  access_key_id:
    secure: "<<b64 171>>="
  secret_access_key:
    secure: "<<run 171>>="
"""),
    File("decoys/others/Pulumi.dev.yaml", "pulumi-secure", r"""encryptionsalt: v1:<<b64 11>>=:v1:<<b64 16>>:<<b64 38>>==
config:
  aws:region: eu-west-1
  aws:accessKey:
    secure: AAABA<<b64 43>>
  aws:secretKey:
    secure: AAABA<<b64 75>>
"""),
    File("decoys/others/credentials.xml", "jenkins-secret", r"""<?xml version='1.1' encoding='UTF-8'?>
<com.cloudbees.jenkins.plugins.awscredentials.AWSCredentialsImpl>
  <id>aws-deploy</id>
  <accessKey></accessKey>
  <secretKey>{AQAAABAAAAAw<<b64 86>>=}</secretKey>
</com.cloudbees.jenkins.plugins.awscredentials.AWSCredentialsImpl>
"""),
    File("decoys/others/common.eyaml", "eyaml", r"""profile::aws::access_key: ENC[PKCS7,MIIB<<run 380>>]
profile::aws::secret_access_key: >
    ENC[PKCS7,MIIB<<b64 56>>
    <<b64 64>>
    <<b64 64>>]
"""),
    File("decoys/others/secrets.ejson", "ejson", r"""{
  "_public_key": "<<hex 64>>",
  "aws_access_key_id": "EJ[1:<<b64 43>>=:<<b64 32>>:<<b64 48>>]",
  "aws_secret_access_key": "EJ[1:<<b64 43>>=:<<b64 32>>:<<b64 76>>]"
}
"""),
    File("decoys/others/transcrypt.env", "openssl-salted", r"""U2FsdGVkX1<<b64 54>>
<<b64 64>>
<<run 64>>
<<b64 42>>==
"""),
    File("decoys/others/kms.yaml", "kms-ciphertext", r"""aws_secret_access_key_kms: AQICAHh<<run 250>>==
provider:
  environment:
    SECRET: ${ssm:/prod/aws/secret_access_key}
"""),
]
