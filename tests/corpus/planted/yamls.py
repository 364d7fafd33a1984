"""YAML: compose, Helm, Kubernetes, workflows, Ansible, and services' own files."""

from render import File

FILES = [
    File("planted/compose/docker-compose.yml", "compose-list", r"""services:
  web:
    image: registry.example.com/shop/web:2.14.1
    ports: ["8080:8080"]
    environment:
      - NODE_ENV=production
      - AWS_ACCESS_KEY_ID=<<id a>>
      - AWS_SECRET_ACCESS_KEY=<<secret a>>
      - AWS_REGION=eu-central-1
    depends_on: [db]
  worker:
    image: registry.example.com/shop/worker:2.14.1
    environment:
      - "AWS_ACCESS_KEY_ID=<<id b>>"
      - "AWS_SECRET_ACCESS_KEY=<<secret b>>"
  db:
    image: postgres:16
"""),
    File("planted/compose/compose.override.yaml", "compose-map", r"""services:
  registry:
    image: registry:2
    environment:
      REGISTRY_STORAGE: s3
      REGISTRY_STORAGE_S3_REGION: eu-west-1
      REGISTRY_STORAGE_S3_BUCKET: acme-registry
      REGISTRY_STORAGE_S3_ACCESSKEY: <<id c>>
      REGISTRY_STORAGE_S3_SECRETKEY: <<secret c>>
  jobs:
    build: .
    environment:
      AWS_ACCESS_KEY_ID: "<<id f>>"
      AWS_SECRET_ACCESS_KEY: "<<secret f>>"
"""),
    File("planted/helm/values.yaml", "helm-values", r"""replicaCount: 2
image:
  repository: registry.example.com/acme/api
  tag: "1.9.0"
persistence:
  enabled: true
  size: 20Gi
s3:
  bucket: acme-api
  region: eu-central-1
  accessKey: <<id b>>
  secretKey: <<secret b>>
  forcePathStyle: false
resources:
  limits: {cpu: 500m, memory: 256Mi}
"""),
    File("planted/helm/values-prod.yaml", "helm-values-kebab", r"""loki:
  storage:
    type: s3
    s3:
      endpoint: s3.amazonaws.com
      region: us-east-1
      access-key-id: "<<id a>>"
      secret-access-key: "<<secret a>>"
  retention: 744h
backup:
  aws-access-key-id: <<id e>>
  aws-secret-access-key: <<secret e>>
"""),
    File("planted/kubernetes/secret-stringdata.yaml", "k8s-stringdata", r"""apiVersion: v1
kind: Secret
metadata:
  name: aws-credentials
  namespace: payments
  labels:
    app.kubernetes.io/part-of: payments
type: Opaque
stringData:
  AWS_ACCESS_KEY_ID: <<id a>>
  AWS_SECRET_ACCESS_KEY: <<secret a>>
---
apiVersion: v1
kind: Secret
metadata:
  name: flux-bucket
stringData:
  accesskey: "<<id c>>"
  secretkey: "<<secret c>>"
"""),
    File("planted/kubernetes/secret-data.yaml", "k8s-data-base64", r"""apiVersion: v1
kind: Secret
metadata:
  name: s3-writer
  namespace: jobs
type: Opaque
data:
  AWS_ACCESS_KEY_ID: <<id b|b64>>
  AWS_SECRET_ACCESS_KEY: <<secret b|b64>>
  AWS_REGION: <<text64 eu-central-1>>
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: writer
spec:
  template:
    spec:
      containers:
        - name: writer
          image: registry.example.com/acme/writer@sha256:<<hex 64>>
          envFrom: [{secretRef: {name: s3-writer}}]
"""),
    File("planted/kubernetes/secret-data-quoted.yml", "k8s-data-base64", r"""kind: Secret
apiVersion: v1
data:
  access-key: "<<id a|b64>>"
  secret-key: "<<secret a|b64>>"
  tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t<<b64 300>>
metadata:
  name: minio-gateway
type: Opaque
"""),
    File("planted/kubernetes/velero-cloud.yaml", "k8s-data-credentials-file", r"""apiVersion: v1
kind: Secret
metadata:
  name: cloud-credentials
  namespace: velero
type: Opaque
data:
  cloud: <<credentials a>>
"""),
    File("planted/kubernetes/etcd-backup.yaml", "k8s-data-credentials-file", r"""apiVersion: v1
data:
  region: <<text64 us-east-2>>
  credentials: "<<credentials c>>"
kind: Secret
metadata:
  name: etcd-backup-aws
"""),
    File("planted/kubernetes/export.json", "k8s-data-base64-json", r"""{
  "apiVersion": "v1",
  "kind": "List",
  "items": [
    {
      "apiVersion": "v1",
      "kind": "Secret",
      "metadata": {"name": "aws", "namespace": "default", "uid": "<<uuid>>"},
      "type": "Opaque",
      "data": {
        "awsAccessKeyId": "<<id e|b64>>",
        "awsSecretAccessKey": "<<secret e|b64>>"
      }
    }
  ]
}
"""),
    File("planted/kubernetes/configmap.yaml", "configmap", r"""apiVersion: v1
kind: ConfigMap
metadata:
  name: exporter
data:
  LOG_LEVEL: debug
  AWS_ACCESS_KEY_ID: <<id f>>
  AWS_SECRET_ACCESS_KEY: <<secret f>>
  config.ini: |
    [upload]
    bucket = exports
    access_key = <<id n>>
    secret_key = <<secret n>>
"""),
    File("planted/kubernetes/deployment.yaml", "k8s-env", r"""apiVersion: apps/v1
kind: Deployment
metadata: {name: thumbnailer}
spec:
  selector: {matchLabels: {app: thumbnailer}}
  template:
    metadata: {labels: {app: thumbnailer}}
    spec:
      containers:
        - name: app
          image: acme/thumbnailer:7
          env:
            - name: AWS_ACCESS_KEY_ID
              value: <<id a>>
            - name: AWS_SECRET_ACCESS_KEY
              value: <<secret a>>
            - {name: AWS_REGION, value: eu-west-1}
"""),
    File("planted/kubernetes/secret-template.yaml", "helm-template", r"""{{- if .Values.legacy }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "app.fullname" . }}-aws
  labels:
    {{- include "app.labels" . | nindent 4 }}
type: Opaque
data:
  id: <<id b|b64>>
  AWS_SECRET_ACCESS_KEY: <<secret b|b64>>
stringData:
  bucket: {{ .Values.bucket | quote }}
{{- end }}
"""),
    File("planted/certmanager/issuer.yaml", "cert-manager-both", r"""apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata:
  name: letsencrypt-dns
spec:
  acme:
    server: https://acme-v02.api.letsencrypt.org/directory
    email: ops@example.com
    privateKeySecretRef: {name: letsencrypt-dns}
    solvers:
      - dns01:
          route53:
            region: us-east-1
            accessKeyID: <<id c>>
            secretAccessKeySecretRef:
              name: route53
              key: secret-access-key
---
apiVersion: v1
kind: Secret
metadata: {name: route53, namespace: cert-manager}
stringData:
  secret-access-key: <<secret c>>
"""),
    File("planted/github/.github/workflows/deploy.yml", "workflow-env", r"""name: deploy
on:
  push:
    branches: [main]
permissions:
  contents: read
env:
  AWS_REGION: eu-central-1
  AWS_ACCESS_KEY_ID: <<id a>>
  AWS_SECRET_ACCESS_KEY: <<secret a>>
jobs:
  deploy:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@<<hex 40>>
      - run: make deploy
"""),
    File("planted/github/.github/workflows/nightly.yaml", "workflow-with", r"""name: nightly
on:
  schedule:
    - cron: "17 3 * * *"
jobs:
  snapshot:
    runs-on: ubuntu-24.04
    steps:
      - uses: aws-actions/configure-aws-credentials@<<hex 40>> # v4
        with:
          aws-access-key-id: <<id b>>
          aws-secret-access-key: <<secret b>>
          aws-region: us-east-1
      - name: Snapshot
        env: {AWS_ACCESS_KEY_ID: "<<id e>>", AWS_SECRET_ACCESS_KEY: "<<secret e>>"}
        run: ./snapshot.sh
"""),
    File("planted/ci/.gitlab-ci.yml", "gitlab-ci", r"""stages: [build, publish]
variables:
  GIT_DEPTH: "20"
  AWS_ACCESS_KEY_ID: <<id f>>
  AWS_SECRET_ACCESS_KEY: <<secret f>>
publish:
  stage: publish
  image: amazon/aws-cli:2.15.0
  script:
    - aws s3 cp dist/ "s3://acme-cdn/" --recursive
"""),
    File("planted/ci/.travis.yml", "travis", r"""language: node_js
node_js: [20]
deploy:
  provider: s3
  access_key_id: <<id c>>
  secret_access_key: <<secret c>>
  bucket: docs-site
  skip_cleanup: true
  on: {branch: main}
"""),
    File("planted/ansible/group_vars/all.yml", "ansible-vars", r"""---
ntp_servers: [0.pool.ntp.org, 1.pool.ntp.org]
backup_bucket: acme-backup
aws_access_key: "<<id a>>"
aws_secret_key: "<<secret a>>"
backup_retention_days: 30
"""),
    File("planted/ansible/site.yml", "ansible-task", r"""- hosts: localhost
  gather_facts: false
  tasks:
    - name: Upload the report
      amazon.aws.s3_object:
        bucket: reports
        object: "/{{ ansible_date_time.date }}.pdf"
        src: out/report.pdf
        mode: put
        access_key: <<id n>>
        secret_key: <<secret n>>
      no_log: true
"""),
    File("planted/rails/config/storage.yml", "rails-storage", r"""local:
  service: Disk
  root: <%= Rails.root.join("storage") %>

amazon:
  service: S3
  access_key_id: <<id b>>
  secret_access_key: <<secret b>>
  region: us-east-1
  bucket: avatars-<%= Rails.env %>
"""),
    File("planted/services/thanos-objstore.yml", "service-yaml", r"""type: S3
config:
  bucket: metrics
  endpoint: s3.eu-west-1.amazonaws.com
  access_key: '<<id g>>'
  secret_key: '<<secret g>>'
  insecure: false
  part_size: 134217728
"""),
    File("planted/services/loki.yaml", "service-yaml-url", r"""auth_enabled: false
server:
  http_listen_port: 3100
storage_config:
  aws:
    s3: s3://<<id b>>:<<secret b|url>>@eu-west-1/loki-chunks
    s3forcepathstyle: true
limits_config:
  reject_old_samples: true
"""),
    File("planted/services/comments.yaml", "yaml-comment", r"""# The old pair, until the migration is over:
#   access_key_id: <<id c>>
#   secret_access_key: <<secret c>>
exporter:
  enabled: true
  auth: role
  interval: 30s
"""),
]
