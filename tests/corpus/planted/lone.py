"""Access key IDs without any secret: what most scanners leave out."""

from render import File

FILES = [
    File("planted/lone/issuer.yaml", "id-cert-manager", r"""apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: route53, namespace: web}
spec:
  acme:
    email: ops@example.com
    solvers:
      - dns01:
          route53:
            region: eu-central-1
            hostedZoneID: Z2J6F4TVI0VY
            accessKeyID: <<id a>>
            secretAccessKeySecretRef: {name: route53, key: secret-access-key}
      - selector: {dnsZones: [example.net]}
        dns01:
          route53:
            region: eu-central-1
            accessKeyID: "<<id c>>"
            secretAccessKeySecretRef: {name: route53-net, key: secret-access-key}
"""),
    File("planted/lone/.github/workflows/release.yml", "id-workflow", r"""name: release
on: {push: {tags: ["v*"]}}
jobs:
  publish:
    runs-on: ubuntu-24.04
    env:
      AWS_ACCESS_KEY_ID: <<id b>>
      AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
    steps:
      - uses: actions/checkout@<<hex 40>>
      - uses: aws-actions/configure-aws-credentials@<<hex 40>>
        with:
          aws-access-key-id: <<id e>>
          aws-secret-access-key: ${{ secrets.PUBLISH_SECRET }}
          aws-region: us-east-1
"""),
    File("planted/lone/Pulumi.prod.yaml", "id-pulumi", r"""encryptionsalt: v1:<<b64 11>>=:v1:<<b64 16>>:<<b64 38>>==
config:
  aws:region: eu-central-1
  aws:accessKey: <<id a>>
  aws:secretKey:
    secure: AAABA<<b64 75>>
  site:domain: example.com
"""),
    File("planted/lone/secrets.enc.yaml", "id-beside-sops", r"""access_key_id: <<id f>>
secret_access_key: ENC[AES256_GCM,data:<<b64 54>>==,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]
bucket: lake
sops:
    age:
        - recipient: age1<<word 58>>
          enc: |
            -----BEGIN AGE ENCRYPTED FILE-----
            <<b64 64>>
            <<b64 64>>
            -----END AGE ENCRYPTED FILE-----
    lastmodified: "2024-04-02T08:00:00Z"
    mac: ENC[AES256_GCM,data:<<b64 64>>,iv:<<b64 43>>=,tag:<<b64 22>>==,type:str]
    encrypted_regex: ^secret_
    version: 3.8.1
"""),
    File("planted/lone/vars.yml", "id-beside-vault", r"""backup_access_key: <<id n>>
backup_secret_key: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  <<hex 80>>
  <<hex 80>>
  <<hex 38>>
"""),
    File("planted/lone/state.tfstate", "id-tfstate-pgp", r"""{
  "version": 4,
  "resources": [
    {
      "type": "aws_iam_access_key",
      "name": "mailer",
      "instances": [
        {
          "attributes": {
            "create_date": "2023-10-02T12:00:00Z",
            "encrypted_secret": "wcBMA<<b64 300>>",
            "encrypted_ses_smtp_password_v4": "wcBMA<<b64 300>>",
            "id": "<<id b>>",
            "key_fingerprint": "<<hex 40>>",
            "pgp_key": "keybase:jo",
            "secret": null,
            "user": "mailer"
          }
        }
      ]
    }
  ],
  "outputs": {"mailer_key_id": {"value": "<<id a>>", "type": "string"}}
}
"""),
    File("planted/lone/mail.env", "id-ses", r"""SMTP_HOST=email-smtp.eu-west-1.amazonaws.com
SMTP_PORT=587
SMTP_USERNAME=<<id c>>
SMTP_PASSWORD=${SES_SMTP_PASSWORD}
MAIL_FROM=noreply@example.com
"""),
    File("planted/lone/config.toml", "id-config", r"""[storage]
bucket = "lake"
access_key_id = "<<id d>>"
# the secret comes from the instance's own store
secret_access_key = "${LAKE_SECRET}"
"""),
    File("planted/lone/.aws/config", "id-config", r"""[profile audit]
region = eu-west-1
aws_access_key_id = <<id a>>
credential_process = /usr/local/bin/vault-aws audit
"""),
    File("planted/lone/keys.py", "id-comment", r'''"""Names of keys that are watched."""

# <<id b>> was left by the old build server.
WATCHED = 3  # includes <<id e>>, see the ticket
LIMIT = 90

"""
Formerly also <<id a>>.
"""
'''),
    File("planted/lone/main.go", "id-comment", r"""package main

/*
 * The exporter signs with <<id f>>.
 */
func main() {
	run() // <<id c>> must not be used here
}
"""),
    File("planted/lone/runbook.md", "id-docs", r"""# Runbook: exporter

The exporter uses the key <<id a>>, which belongs to the user `exporter`.
If it stops:

1. look at the user's keys: is `<<id b>>` still active?
2. ask the owner (**<<id c>>**) before you do anything
3. see [the console](https://console.aws.amazon.com/iam/home#/users/exporter?section=security_credentials)
"""),
    File("planted/lone/punctuation.txt", "id-punctuation", r"""Keys as they turned up in the review, each with what stood around it:

keys = ["<<id a>>",
  "<<id b>>"];
call(<<id c>>)
SetKey=<<id e>>;
<key><<id f>></key>
[<<id g>>]
{<<id n>>}
'<<id a2>>'
`<<id b2>>`
see <<id c2>>.
really <<id e2>>?
key:<<id f2>>
a|<<id g2>>|b
keys/<<id a3>>/usage
<<id b3>>
last-<<id c3>>-of-2023
who=jo&key=<<id e3>>&since=2020
@<<id f3>>!
	<<id g3>>	tabs
"""),
    File("planted/lone/access.log", "id-sigv4", r"""10.0.3.7 - - [04/Mar/2024:11:20:01 +0000] "GET /lake/a.parquet HTTP/1.1" 200 "AWS4-HMAC-SHA256 Credential=<<id a>>/20240304/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=<<hex 64>>"
10.0.3.7 - - [04/Mar/2024:11:20:02 +0000] "GET /lake/b.parquet?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=<<id b>>%2F20240304%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20240304T112002Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=<<hex 64>> HTTP/1.1" 200 "-"
10.0.3.9 - - [04/Mar/2024:11:20:05 +0000] "GET /old/c.csv?AWSAccessKeyId=<<id c>>&Expires=1709551805&Signature=<<alnum 27>>%3D HTTP/1.1" 403 "-"
10.0.3.9 - - [04/Mar/2024:11:20:06 +0000] "GET /go?to=https%3A%2F%2Flake.s3.amazonaws.com%2Fc.csv%3FAWSAccessKeyId%3D<<id e>>%26Expires%3D1709551806 HTTP/1.1" 302 "-"
"""),
    File("planted/lone/cloudtrail.json", "id-cloudtrail", r"""{
  "eventVersion": "1.09",
  "userIdentity": {
    "type": "IAMUser",
    "principalId": "AIDA<<upper 17>>",
    "arn": "arn:aws:iam::<<digits 12>>:user/ci",
    "accessKeyId": "<<id a>>",
    "userName": "ci"
  },
  "eventTime": "2024-03-04T11:22:00Z",
  "eventName": "PutObject",
  "requestID": "<<uuid>>",
  "eventID": "<<uuid>>"
}
"""),
    File("planted/lone/list-access-keys.json", "id-iam-output", r"""{
    "AccessKeyMetadata": [
        {
            "UserName": "ci",
            "AccessKeyId": "<<id b>>",
            "Status": "Active",
            "CreateDate": "2021-05-18T07:12:00+00:00"
        },
        {
            "UserName": "ci",
            "AccessKeyId": "<<id c>>",
            "Status": "Inactive",
            "CreateDate": "2019-01-08T15:40:11+00:00"
        }
    ]
}
"""),
    File("planted/lone/import.sh", "id-command", r"""#!/bin/sh
terraform import aws_iam_access_key.ci <<id a>>
aws iam update-access-key --user-name ci --access-key-id <<id e>> --status Inactive
aws iam get-access-key-last-used --access-key-id=<<id c>>
git revert --no-edit <<hex 40>>
"""),
    File("planted/lone/owners.csv", "id-csv", r"""key_id,user,team,created
<<id a>>,ci,platform,2021-05-18
<<id b>>,mailer,marketing,2020-11-30
"<<id c>>","exporter","data","2018-02-01"
"""),
    File("planted/lone/encoded.yaml", "id-k8s-base64", r"""apiVersion: v1
kind: Secret
metadata: {name: key-id-only}
data:
  accessKeyID: <<id a|b64>>
  bucket: <<text64 acme-lake>>
"""),
    File("planted/lone/index.js", "id-source", r"""const ALLOWED = new Set(['<<id b>>', 'minio']);
const url = `https://lake.s3.amazonaws.com/x?AWSAccessKeyId=${encodeURIComponent("<<id e>>")}`;
export const isOurs = (id) => ALLOWED.has(id);
"""),
    File("planted/lone/old.patch", "id-patch", r"""diff --git a/issuer.yaml b/issuer.yaml
index <<hex 7>>..<<hex 7>> 100644
--- a/issuer.yaml
+++ b/issuer.yaml
@@ -9,5 +9,5 @@
           route53:
             region: eu-central-1
-            accessKeyID: <<id c>>
+            accessKeyID: <<id a>>
             secretAccessKeySecretRef: {name: route53}
"""),
]
