"""Terraform, Kubernetes, Helm, Ansible, containers, cloud-init."""

from render import File

FILES = [
    File("planted/terraform/heredoc.tfvars", "tfvars-heredoc", r"""region      = "eu-west-1"
environment = "staging"
velero_credentials = <<-EOT
  [default]
  aws_access_key_id = <<id a>>
  aws_secret_access_key = <<secret a>>
EOT
"""),
    File("planted/terraform/outputs.tfstate", "tfstate-outputs", r"""{
  "version": 4,
  "terraform_version": "1.9.5",
  "serial": 41,
  "lineage": "<<uuid>>",
  "outputs": {
    "deployer_access_key_id": {
      "value": "<<id c>>",
      "type": "string"
    },
    "deployer_secret_access_key": {
      "value": "<<secret c>>",
      "type": "string",
      "sensitive": true
    }
  },
  "resources": []
}
"""),
    File("planted/terraform/instance.tf", "terraform-user-data", r"""resource "aws_instance" "batch" {
  ami           = "ami-<<hex 17>>"
  instance_type = "t3.small"
  user_data     = <<EOF
#!/bin/bash
mkdir -p /root/.aws
cat > /root/.aws/credentials <<CREDS
[default]
aws_access_key_id=<<id b>>
aws_secret_access_key=<<secret b>>
CREDS
EOF
}
"""),
    File("planted/terraform/plan.txt", "terraform-plan", r"""  # aws_lambda_function.export will be updated in-place
  ~ resource "aws_lambda_function" "export" {
        id        = "export"
      ~ environment {
          ~ variables = {
              + "AWS_KEY_ID"     = "<<id d>>"
              + "AWS_SECRET_KEY" = "<<secret d>>"
                "BUCKET"         = "acme-exports"
            }
        }
    }

Plan: 0 to add, 1 to change, 0 to destroy.
"""),
    File("planted/terraform/terragrunt.hcl", "terragrunt-inputs", r"""include "root" { path = find_in_parent_folders() }

inputs = {
  bucket = "acme-prod"
  s3 = {
    key_id     = "<<id e>>"
    access_key = "<<secret e>>"
  }
}
"""),
    File("planted/terraform/main.tf.json", "terraform-json", (
        '{"provider":{"aws":[{"region":"us-east-1","access_key":"<<id g>>","secret_key":"<<secret g>>"}]}}\n'
    )),
    File("planted/kubernetes/cronjob.yaml", "k8s-env-pair", r"""apiVersion: batch/v1
kind: CronJob
metadata: {name: dump}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: dump
              image: ghcr.io/acme/dump@sha256:<<hex 64>>
              env:
                - {name: AWS_ACCESS_KEY_ID, value: <<id a>>}
                - {name: AWS_SECRET_ACCESS_KEY, value: <<secret a>>}
"""),
    File("planted/kubernetes/kustomization.yaml", "kustomize-literals", r"""resources: [deployment.yaml]
secretGenerator:
  - name: s3
    literals:
      - AWS_ACCESS_KEY_ID=<<id c>>
      - AWS_SECRET_ACCESS_KEY=<<secret c>>
    options: {disableNameSuffixHash: true}
"""),
    File("planted/kubernetes/mixed-secret.yaml", "k8s-stringdata-file", r"""apiVersion: v1
kind: Secret
metadata:
  name: thanos
stringData:
  objstore.yml: |
    type: S3
    config:
      bucket: metrics
      endpoint: s3.eu-west-1.amazonaws.com
      access_key: <<id f>>
      secret_key: <<secret f>>
"""),
    File("planted/kubernetes/dotenv-secret.yaml", "k8s-data-env-file", r"""apiVersion: v1
kind: Secret
metadata: {name: app-env}
data:
  .env: <<env64 a>>
"""),
    File("planted/kubernetes/wrapped-secret.yaml", "k8s-data-wrapped", r"""apiVersion: v1
kind: Secret
metadata:
  name: backup
data:
  credentials: |
    <<wrapped b 4>>
type: Opaque
"""),
    File("planted/kubernetes/argocd-app.yaml", "argocd-parameters", r"""kind: Application
spec:
  source:
    chart: loki
    helm:
      parameters:
        - name: loki.storage.s3.accessKeyId
          value: <<id e>>
        - name: loki.storage.s3.secretAccessKey
          value: <<secret e>>
"""),
    File("planted/kubernetes/one-line.json", "k8s-data-minified", (
        '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s3","uid":"<<uuid>>"},"data":'
        '{"AWS_SECRET_ACCESS_KEY":"<<secret d|b64>>","AWS_ACCESS_KEY_ID":"<<id d|b64>>"},"type":"Opaque"}\n'
    )),
    File("planted/kubernetes/commands.sh", "kubectl-literals", r"""kubectl -n backup create secret generic s3 \
  --from-literal=access-key=<<id b>> \
  --from-literal=secret-key='<<secret b>>' \
  --dry-run=client -o yaml | kubectl apply -f -
"""),
    File("planted/helm/velero.yaml", "helm-secret-contents", r"""configuration:
  provider: aws
credentials:
  useSecret: true
  secretContents:
    cloud: |
      [default]
      aws_access_key_id=<<id d>>
      aws_secret_access_key=<<secret d>>
snapshotsEnabled: false
"""),
    File("planted/helm/external-dns.yaml", "helm-flow-map", r"""provider: aws
aws: {region: eu-central-1, credentials: {accessKey: "<<id a>>", secretKey: "<<secret a>>"}}
txtOwnerId: prod
"""),
    File("planted/helm/env-list.yaml", "helm-env-list", r"""extraEnv:
  # for the nightly dump
  - name: S3_ACCESS_KEY
    value: "<<id b>>"
  - name: S3_SECRET_KEY
    value: "<<secret b>>"
"""),
    File("planted/ansible/inventory.ini", "ansible-inventory", r"""[backup]
nas01 ansible_host=10.2.0.7 aws_access_key=<<id c>> aws_secret_key=<<secret c>>

[backup:vars]
ansible_user=deploy
"""),
    File("planted/ansible/role-defaults.yml", "ansible-defaults", r"""---
s3_backup:
  bucket: acme-backup
  access_key: "<<id g>>"
  secret: "<<secret g>>"
  hour: 4
"""),
    File("planted/ansible/playbook.yml", "ansible-environment", r"""- hosts: all
  environment:
    AWS_ACCESS_KEY_ID: '<<id n>>'
    AWS_SECRET_ACCESS_KEY: '<<secret n>>'
  tasks:
    - name: fetch the release
      ansible.builtin.command: aws s3 cp s3://acme-releases/app.tgz /opt/app.tgz
"""),
    File("planted/compose/anchors.yml", "compose-anchor", r"""x-aws: &aws
  AWS_ACCESS_KEY_ID: <<id d>>
  AWS_SECRET_ACCESS_KEY: <<secret d>>
services:
  api:
    image: acme/api
    environment:
      <<: *aws
      PORT: "80"
"""),
    File("planted/compose/command.yaml", "compose-command", r"""services:
  mirror:
    image: acme/mirror:3
    command: ["--access-key", "<<id e>>", "--secret-key", "<<secret e>>", "--bucket", "m"]
"""),
    File("planted/docker/Dockerfile.continued", "dockerfile-env-continued", r"""FROM python:3.13-slim
ENV AWS_DEFAULT_REGION=eu-west-1 \
    AWS_ACCESS_KEY_ID=<<id a>> \
    AWS_SECRET_ACCESS_KEY=<<secret a>> \
    PYTHONUNBUFFERED=1
CMD ["python", "main.py"]
"""),
    File("planted/docker/Dockerfile.args", "dockerfile-arg-default", r"""FROM node:22
ARG AWS_ACCESS_KEY_ID="<<id c>>"
ARG AWS_SECRET_ACCESS_KEY="<<secret c>>"
RUN --mount=type=cache,target=/root/.npm npm ci
"""),
    File("planted/docker/Dockerfile.run", "dockerfile-run", r"""FROM amazonlinux:2023
RUN aws configure set aws_access_key_id <<id b>> && \
    aws configure set aws_secret_access_key <<secret b>> && \
    aws s3 cp s3://acme/models.tar.gz /models.tar.gz
"""),
    File("planted/docker/inspect.json", "docker-inspect", r"""[
    {
        "Id": "sha256:<<hex 64>>",
        "Config": {
            "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                "AWS_ACCESS_KEY_ID=<<id f>>",
                "AWS_SECRET_ACCESS_KEY=<<secret f>>"
            ]
        }
    }
]
"""),
    File("planted/cloud-init/user-data.yaml", "cloud-init-base64", r"""#cloud-config
write_files:
  - path: /root/.aws/credentials
    permissions: "0600"
    encoding: b64
    content: <<credentials e>>
"""),
    File("planted/cloud-init/wrapped.yaml", "cloud-init-wrapped", r"""#cloud-config
write_files:
  - path: /etc/backup/credentials
    encoding: base64
    content: |
      <<wrapped a 6>>
runcmd: [systemctl start backup]
"""),
    File("planted/cloudformation/beanstalk.config", "ebextensions", r"""option_settings:
  - namespace: aws:elasticbeanstalk:application:environment
    option_name: AWS_ACCESS_KEY_ID
    value: <<id n>>
  - namespace: aws:elasticbeanstalk:application:environment
    option_name: AWS_SECRET_KEY
    value: <<secret n>>
"""),
    File("planted/cloudformation/parameters.json", "cloudformation-parameters", r"""[
  {"ParameterKey": "AccessKey", "ParameterValue": "<<id b>>"},
  {"ParameterKey": "SecretKey", "ParameterValue": "<<secret b>>"},
  {"ParameterKey": "Stage", "ParameterValue": "prod"}
]
"""),
]
