"""Code and configuration that names keys, or describes them, and holds none."""

from render import File

FILES = [
    File("decoys/names/settings.py", "names-only", r'''import os

AWS_ACCESS_KEY_ID = os.environ["AWS_ACCESS_KEY_ID"]
AWS_SECRET_ACCESS_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
AWS_SESSION_TOKEN = os.environ.get("AWS_SESSION_TOKEN")
SECRET = get_secret(name="production/aws/secret_access_key")
'''),
    File("decoys/names/client.ts", "names-only", r'''import { S3Client } from "@aws-sdk/client-s3";

export const s3 = new S3Client({
  credentials: {
    accessKeyId: process.env.AWS_ACCESS_KEY_ID!,
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY!,
  },
});
export const vault = { secretAccessKey: getSecretAccessKeyFromEnvironmentOrVault() };
export const store = { secretAccessKey: readSecretAccessKeyFromParameterStoreNow };
'''),
    File("decoys/names/.github/workflows/deploy.yml", "names-only", r"""name: deploy
on: {push: {branches: [main]}}
jobs:
  deploy:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@<<hex 40>>
      - uses: aws-actions/configure-aws-credentials@<<hex 40>>
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
          aws-region: eu-central-1
"""),
    File("decoys/names/.github/workflows/oidc.yml", "names-only", r"""name: publish
on: {push: {tags: ["v*"]}}
permissions: {id-token: write, contents: read}
jobs:
  publish:
    runs-on: ubuntu-24.04
    steps:
      - uses: aws-actions/configure-aws-credentials@<<hex 40>> # v4.0.2
        with:
          role-to-assume: arn:aws:iam::<<digits 12>>:role/publish
          aws-region: eu-central-1
"""),
    File("decoys/names/deployment.yaml", "names-only", r"""apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  template:
    spec:
      containers:
        - name: app
          image: acme/app@sha256:<<hex 64>>
          env:
            - name: AWS_ACCESS_KEY_ID
              valueFrom: {secretKeyRef: {name: aws, key: access-key-id}}
            - name: AWS_SECRET_ACCESS_KEY
              valueFrom: {secretKeyRef: {name: aws, key: secret-access-key}}
"""),
    File("decoys/names/issuer.yaml", "names-only", r"""apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: route53}
spec:
  acme:
    solvers:
      - dns01:
          route53:
            region: eu-central-1
            accessKeyIDSecretRef: {name: route53, key: access-key-id}
            secretAccessKeySecretRef: {name: route53, key: secret-access-key}
"""),
    File("decoys/names/external-secret.yaml", "names-only", r"""apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: aws}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: main, kind: ClusterSecretStore}
  data:
    - secretKey: AWS_SECRET_ACCESS_KEY
      remoteRef: {key: prod/aws, property: secret_access_key, version: uuid/<<uuid>>}
"""),
    File("decoys/names/main.tf", "names-only", r"""provider "aws" {
  access_key = var.access_key
  secret_key = var.secret_key
}

resource "aws_iam_access_key" "deploy" {
  user    = aws_iam_user.deploy.name
  pgp_key = "keybase:jo"
}

output "secret" {
  value     = aws_iam_access_key.deploy.encrypted_secret
  sensitive = true
}
"""),
    File("decoys/names/template.yaml", "names-only", r"""Resources:
  DeployKey:
    Type: AWS::IAM::AccessKey
    Properties: {UserName: !Ref DeployUser}
Outputs:
  AccessKeyId: {Value: !Ref DeployKey}
  SecretAccessKey: {Value: !GetAtt DeployKey.SecretAccessKey}
"""),
    File("decoys/names/docker-compose.yml", "names-only", r"""services:
  app:
    build: .
    environment:
      - AWS_ACCESS_KEY_ID
      - AWS_SECRET_ACCESS_KEY
      - AWS_SECRET_ACCESS_KEY_FILE=<<join /run/secrets/aws/+credentials/secret/prod>>
    secrets: [aws]
"""),
    File("decoys/names/Dockerfile", "names-only", r"""FROM alpine:3.20
ARG AWS_ACCESS_KEY_ID
ARG AWS_SECRET_ACCESS_KEY
RUN --mount=type=secret,id=aws,target=/root/.aws/credentials aws s3 ls
"""),
    File("decoys/names/Jenkinsfile", "names-only", r"""pipeline {
    agent any
    environment {
        AWS_ACCESS_KEY_ID     = credentials('aws-access-key-id')
        AWS_SECRET_ACCESS_KEY = credentials('aws-secret-access-key-of-the-deployment')
    }
    stages { stage('x') { steps { sh 'make' } } }
}
"""),
    File("decoys/names/sdk.min.js", "names-only", (
        "!function(e,t){function n(e){return{accessKeyId:e.accessKeyId,secretAccessKey:e.secretAccessKey,"
        "sessionToken:e.sessionToken}}t.resolveSecretAccessKeyForThisEnvironment=n,"
        "t.createDefaultAwsCredentialsProviderChain=function(){return n(e.env.AWS)},"
        "t.awsSecretAccessKeyRotationIntervalInDays=90}(this,exports);\n"
    )),
    File("decoys/names/Schema.java", "names-only", r"""package com.example.aws;

import com.amazonaws.auth.BasicAWSCredentials;

/** Reads the secret access key; see com/amazonaws/services/s3/AmazonS3Client. */
class Schema {
    static final String NAME = "AWS_SECRET_ACCESS_KEY";
    static final String OWNER = "AmazonWebServicesCredentialsFromTheVault";
    BasicAWSCredentials c = new BasicAWSCredentials(System.getenv("KEY"), System.getenv(NAME));
}
"""),
    File("decoys/names/openapi.yaml", "names-only", r"""openapi: 3.1.0
components:
  schemas:
    Credentials:
      required: [accessKeyId, secretAccessKey]
      properties:
        accessKeyId: {type: string, minLength: 16, maxLength: 128, pattern: "[\\w]*"}
        secretAccessKey: {type: string, description: forty characters of base64}
"""),
    File("decoys/regexes/rules.toml", "scanner-rules", r"""[[rules]]
id = "aws-access-token"
description = "An access key ID"
regex = '''\b((?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b'''
entropy = 3
keywords = ["akia", "asia", "abia", "acca"]

[rules.allowlist]
regexes = [".+EXAMPLE$"]
"""),
    File("decoys/regexes/detector.py", "scanner-rules", r'''import re

AKID = re.compile(r"(?<![A-Z0-9])(AKIA[0-9A-Z]{16})(?![A-Z0-9])")
SECRET = re.compile(r"(?i)aws.{0,20}(?:secret|key).{0,20}['\"]([0-9a-zA-Z/+]{40})['\"]")
UNIQUE = re.compile("(AIDA|AROA|AGPA)[A-Z2-7]{17}")
'''),
    File("decoys/regexes/detector.go", "scanner-rules", r'''package detect

import "regexp"

var (
	idPat     = regexp.MustCompile(`\b((?:AKIA|ABIA|ACCA|ASIA)[A-Z0-9]{16})\b`)
	secretPat = regexp.MustCompile(`(?:[^A-Za-z0-9+/]|\A)([A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/]|\z)`)
	alphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)
'''),
    File("decoys/regexes/kingfisher.yml", "scanner-rules", r'''rules:
  - name: AWS Secret Access Key
    id: acme.aws.2
    pattern: |
      (?xi)
      \b AWS (?:.|[\n\r]){0,32}? (?:SECRET|PRIVATE|ACCESS|KEY|TOKEN)
      (?:.|[\n\r]){0,32}? \b ([A-Za-z0-9/+=]{40}) \b
    min_entropy: 4.5
    depends_on_rule: [{rule_id: acme.aws.1, variable: AKID}]
'''),
    File("decoys/regexes/scan.sh", "scanner-rules", r'''#!/bin/sh
# Refuses a commit with an access key ID in it.
git diff --cached -U0 | grep -E '^\+.*(AKIA|ASIA)[A-Z2-7]{16}' && exit 1
git secrets --add '(AWS|aws|Aws)?_?(SECRET|secret|Secret)?_?(ACCESS|access|Access)?_?(KEY|key|Key)'
git secrets --add --allowed '<<example id>>'
'''),
    File("decoys/regexes/semgrep.yaml", "scanner-rules", r'''rules:
  - id: hardcoded-aws-key
    languages: [generic]
    message: An access key ID stands in the source.
    severity: ERROR
    pattern-regex: (A3T[A-Z0-9]|AKIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ASIA)[A-Z0-9]{16}
'''),
    File("decoys/regexes/prefixes.md", "scanner-rules", r'''# Prefixes of identifiers

| prefix | of |
|---|---|
| AKIA | access key |
| ASIA | temporary access key |
| AIDA | user |
| AROA | role |

An access key ID matches `AKIA[A-Z2-7]{16}`; a secret access key has 40 characters of `[A-Za-z0-9/+]`.
'''),
]
