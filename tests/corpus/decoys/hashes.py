"""Hashes, identifiers and tokens of other things, many of them close to the word `aws`."""

from render import File

FILES = [
    File("decoys/hashes/commits.txt", "git-hash", r"""<<hex 40>> Read the aws credentials from the environment
<<hex 40>> Bump aws-sdk-go to 1.50.2
<<hex 40>> Merge branch 'aws-secret-access-key'
"""),
    File("decoys/hashes/.gitmodules.lock", "git-hash", r"""[submodule "aws-cdk"]
	path = vendor/aws-cdk
	commit = <<hex 40>>
	tree = <<hex 40>>
"""),
    File("decoys/hashes/packed-refs", "git-hash", r"""# pack-refs with: peeled fully-peeled sorted
<<hex 40>> refs/heads/main
<<hex 40>> refs/tags/v1.0.0
^<<hex 40>>
"""),
    File("decoys/hashes/upper.txt", "git-hash", r"""secret_access_key.txt  SHA1=8F14E45FCEEA167A5A36DEDD4BEA2543DC0FFEE0
aws.tgz                sha1=<<hex 40>>
key                    md5=<<hex 32>>
"""),
    File("decoys/hashes/SHA256SUMS", "checksum", r"""<<hex 64>>  awscli-exe-linux-x86_64.zip
<<hex 64>>  aws-vault-linux-amd64
<<hex 64>> *session-manager-plugin.deb
<<hex 128>>  awscli-2.15.0.tar.gz
"""),
    File("decoys/hashes/pinned.yml", "git-hash", r"""jobs:
  build:
    steps:
      - uses: aws-actions/configure-aws-credentials@<<hex 40>>
      - uses: aws-actions/amazon-ecr-login@<<hex 40>>
      - uses: actions/cache@<<hex 40>>
        with: {key: "aws-${{ hashFiles('Cargo.lock') }}"}
"""),
    File("decoys/hashes/revision.py", "git-hash", r'''AWS_SDK_REVISION = "<<hex 40>>"
KEY_FINGERPRINT = "<<hex 40>>"
AWS_SECRET_KEY_SHA1 = "<<hex 40>>"
'''),
    File("decoys/uuids/ids.json", "uuid", r"""{
  "aws_request_id": "<<uuid>>",
  "kms_key": "arn:aws:kms:eu-west-1:<<digits 12>>:key/<<uuid>>",
  "secret_version": "<<uuid>>",
  "account_id": "<<digits 12>>"
}
"""),
    File("decoys/uuids/compact.csv", "uuid", r"""id,trace,name
<<hex 32>>,1-<<hex 8>>-<<hex 24>>,aws-key-audit
<<hex 32>>,1-<<hex 8>>-<<hex 24>>,aws-secret-audit
"""),
    File("decoys/uuids/kms.tf", "uuid", r"""data "aws_kms_key" "main" {
  key_id = "<<uuid>>"
}

resource "aws_route53_zone_association" "x" {
  zone_id = "Z0<<upper 18>>"
  vpc_id  = "vpc-<<hex 17>>"
}
"""),
    File("decoys/docker/images.txt", "docker-digest", r"""amazon/aws-cli@sha256:<<hex 64>>
images.example.com/lambda/python:3.12@sha256:<<hex 64>>
<<digits 12>>.dkr.ecr.eu-west-1.amazonaws.com/app@sha256:<<hex 64>>
"""),
    File("decoys/docker/manifest.json", "docker-digest", r"""{
  "schemaVersion": 2,
  "config": {"size": 7023, "digest": "sha256:<<hex 64>>"},
  "layers": [
    {"size": 32654, "digest": "sha256:<<hex 64>>"},
    {"size": 16724, "digest": "sha256:<<hex 64>>"}
  ]
}
"""),
    File("decoys/locks/package-lock.json", "lock-file", r"""{
  "name": "site",
  "lockfileVersion": 3,
  "packages": {
    "node_modules/@aws-sdk/client-s3": {
      "version": "3.521.0",
      "resolved": "https://npm.example.com/@aws-sdk/client-s3/-/client-s3-3.521.0.tgz",
      "integrity": "sha512-<<b64 86>>=="
    },
    "node_modules/aws-sign2": {
      "version": "0.7.0",
      "resolved": "https://npm.example.com/aws-sign2/-/aws-sign2-0.7.0.tgz",
      "integrity": "sha1-<<b64 27>>="
    },
    "node_modules/aws4": {
      "version": "1.12.0",
      "integrity": "sha512-<<b64 50>>AKIA<<b64 32>>=="
    }
  }
}
"""),
    File("decoys/locks/yarn.lock", "lock-file", r"""# yarn lockfile v1

"@aws-sdk/credential-provider-env@3.521.0":
  version "3.521.0"
  resolved "https://yarn.example.com/@aws-sdk/credential-provider-env.tgz#<<hex 40>>"
  integrity sha512-<<b64 86>>==

aws-sdk@^2.1:
  version "2.1563.0"
  resolved "https://yarn.example.com/aws-sdk/-/aws-sdk-2.1563.0.tgz#<<hex 40>>"
  integrity sha1-<<b64 27>>=
"""),
    File("decoys/locks/Cargo.lock", "lock-file", r"""version = 3

[[package]]
name = "aws-config"
version = "1.5.0"
source = "registry+https://index.example.com"
checksum = "<<hex 64>>"

[[package]]
name = "aws-credential-types"
version = "1.2.0"
source = "git+https://github.com/awslabs/aws-sdk-rust?rev=<<hex 40>>#<<hex 40>>"
"""),
    File("decoys/locks/go.sum", "lock-file", r"""github.com/aws/aws-sdk-go v1.50.2 h1:<<b64 43>>=
github.com/aws/aws-sdk-go v1.50.2/go.mod h1:<<b64 43>>=
github.com/aws/smithy-go v1.20.0 h1:<<b64 43>>=
"""),
    File("decoys/locks/poetry.lock", "lock-file", r"""[[package]]
name = "boto3"
version = "1.34.50"
files = [
    {file = "boto3-1.34.50-py3-none-any.whl", hash = "sha256:<<hex 64>>"},
    {file = "boto3-1.34.50.tar.gz", hash = "sha256:<<hex 64>>"},
]

[metadata]
content-hash = "<<hex 64>>"
"""),
    File("decoys/locks/.terraform.lock.hcl", "lock-file", r"""provider "registry.example.com/hashicorp/aws" {
  version     = "5.40.0"
  constraints = "~> 5.40"
  hashes = [
    "h1:<<b64 43>>=",
    "zh:<<hex 64>>",
    "zh:<<hex 64>>",
  ]
}
"""),
    File("decoys/locks/pnpm-lock.yaml", "lock-file", r"""lockfileVersion: '9.0'
packages:
  '@aws-crypto/sha256-js@5.2.0':
    resolution: {integrity: sha512-<<b64 86>>==}
  'aws-amplify@6.0.0':
    resolution: {integrity: sha384-<<b64 64>>}
"""),
    File("decoys/locks/flake.lock", "lock-file", r"""{
  "nodes": {
    "awsbar": {
      "locked": {
        "lastModified": 1709479366,
        "narHash": "sha256-<<b64 43>>=",
        "owner": "aws", "repo": "bar",
        "rev": "<<hex 40>>", "type": "github"
      }
    }
  },
  "version": 7
}
"""),
    File("decoys/sri/index.html", "sri", r"""<!doctype html>
<script src="https://sdk.example.com/js/aws-sdk-2.1563.0.min.js"
  integrity="sha384-<<b64 64>>" crossorigin="anonymous"></script>
<link rel="stylesheet" href="/aws.css" integrity="sha256-<<b64 43>>=">
<meta name="aws-key-pin" content="pin-sha256=<<b64 43>>=">
"""),
    File("decoys/sri/importmap.json", "sri", r"""{
  "imports": {"aws": "/vendor/aws.js"},
  "integrity": {"/vendor/aws.js": "sha384-<<b64 64>> sha512-<<b64 86>>=="}
}
"""),
    File("decoys/etags/listing.json", "etag", r"""{
  "Contents": [
    {"Key": "aws/report.pdf", "ETag": "\"<<hex 32>>\"", "Size": 42311},
    {"Key": "aws/dump.tgz", "ETag": "\"<<hex 32>>-12\"", "VersionId": "<<alnum 32>>"}
  ],
  "NextContinuationToken": "<<b64 40>>"
}
"""),
    File("decoys/etags/headers.txt", "etag", r"""HTTP/1.1 200 OK
x-amz-id-2: <<b64 74>>=
x-amz-request-id: <<upper 16>>
x-amz-version-id: <<alnum 32>>
ETag: "<<hex 32>>"
x-amz-checksum-sha1: <<b64 27>>=
x-amz-checksum-sha256: <<b64 43>>=
"""),
    File("decoys/etags/tokens.py", "forty-characters", r'''"""Answers of a page, kept for a test of the paging."""

aws_next_token = "<<b64 40>>"
aws_pages = {"NextToken": "<<b64 40>>", "aws_region": "eu-west-1"}
AWS_QUEUE_CURSOR = "<<alnum 40>>"
'''),
    File("decoys/etags/nonce.yaml", "forty-characters", r"""aws:
  region: eu-central-1
  asset_fingerprint: <<b64 40>>
  build_nonce: <<alnum 40>>
  kms_key_checksum: <<b64 40>>
"""),
    File("decoys/etags/urls.md", "s3-url", r"""# Assets on AWS

- https://s3.amazonaws.com/acme/<<alnum 40>>/logo.svg
- https://acme.s3.eu-west-1.amazonaws.com/<<join uploads/2024/03/04/+reports/daily/export1>>
- s3://acme-logs/AWSLogs/<<digits 12>>/elasticloadbalancing/eu-west-1/2024/03/04/
- arn:aws:elasticloadbalancing:eu-west-1:<<digits 12>>:loadbalancer/app/web/<<hex 16>>
"""),
    File("decoys/etags/presigned-role.txt", "s3-url", r"""https://lake.s3.amazonaws.com/x.csv?X-Amz-Credential=${KEY_ID}%2F20240304%2Feu-west-1&X-Amz-Signature=<<hex 64>>
https://d111111abcdef8.cloudfront.net/x.jpg?Signature=<<alnum 172>>__&Key-Pair-Id=APKA<<upper 16>>
"""),
    File("decoys/etags/cognito.json", "other-token", r"""{
  "aws_user_pools_id": "eu-west-1_<<alnum 9>>",
  "aws_user_pools_web_client_id": "<<word 26>>",
  "aws_cognito_identity_pool_id": "eu-west-1:<<uuid>>",
  "aws_appsync_apiId": "<<word 26>>"
}
"""),
    File("decoys/etags/session.txt", "other-token", r"""cookie: aws-ubid-main=<<digits 7>>; aws-userInfo=<<alnum 60>>
receipt handle: AQEB<<b64 340>>==
page: <<alnum 39>>
page: <<alnum 41>>
"""),
    File("decoys/lfs/model.bin", "lfs-pointer", r"""version https://git-lfs.github.com/spec/v1
oid sha256:<<hex 64>>
size 132735642
"""),
    File("decoys/lfs/aws.zip", "lfs-pointer", r"""version https://git-lfs.github.com/spec/v1
oid sha256:<<hex 64>>
size 881
"""),
    File("decoys/hashes/annotations.log", "git-hash", r"""2024-03-04T10:00:00Z fetch aws-cdk at <<hex 40>> ok
2024-03-04T10:00:01Z aws s3 cp key <<hex 40>>.tgz ok
2024-03-04T10:00:02Z secret scan of <<hex 40>>..<<hex 40>> clean
"""),
    File("decoys/hashes/passwords.txt", "password-hash", r"""aws-admin:$2b$12$<<alnum 53>>
aws-ci:$6$<<alnum 16>>$<<alnum 86>>
aws:$argon2id$v=19$m=65536,t=3,p=4$<<b64 22>>$<<b64 43>>
"""),
]
