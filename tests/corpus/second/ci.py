"""Pipelines of several services."""

from render import File

FILES = [
    File("planted/github/.github/workflows/sync.yml", "workflow-run", r"""name: sync
on: {schedule: [{cron: "0 4 * * *"}]}
jobs:
  sync:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@<<hex 40>>
      - run: |
          export AWS_ACCESS_KEY_ID=<<id a>>
          export AWS_SECRET_ACCESS_KEY=<<secret a>>
          aws s3 sync . s3://acme-site --delete
"""),
    File("planted/github/.github/workflows/matrix.yml", "workflow-matrix", r"""on: push
jobs:
  deploy:
    strategy:
      matrix:
        include:
          - {stage: dev, key: <<id b>>, secret: "<<secret b>>"}
          - {stage: prod, key: <<id c>>, secret: "<<secret c>>"}
    runs-on: ubuntu-24.04
    env: {AWS_ACCESS_KEY_ID: "${{ matrix.key }}", AWS_SECRET_ACCESS_KEY: "${{ matrix.secret }}"}
    steps: [{run: make deploy}]
"""),
    File("planted/github/action.yml", "action-default", r"""name: upload
inputs:
  access-key-id:
    description: who uploads
    default: <<id e>>
  secret-access-key:
    description: and how
    default: <<secret e>>
runs: {using: node20, main: dist/index.js}
"""),
    File("planted/gitlab/.gitlab-ci.yml", "gitlab-variable-value", r"""variables:
  AWS_ACCESS_KEY_ID:
    value: "<<id d>>"
    description: "the deployer"
  AWS_SECRET_ACCESS_KEY:
    value: "<<secret d>>"
    description: "its key"
deploy:
  script: [make deploy]
"""),
    File("planted/gitlab/gitlab.rb", "gitlab-omnibus", r"""gitlab_rails['object_store']['connection'] = {
  'provider' => 'AWS',
  'region' => 'eu-central-1',
  'aws_access_key_id' => '<<id a>>',
  'aws_secret_access_key' => '<<secret a>>'
}
"""),
    File("planted/circleci/.circleci/config.yml", "circleci", r"""version: 2.1
orbs: {aws-cli: circleci/aws-cli@5.1}
jobs:
  publish:
    docker: [{image: "cimg/base:2024.02"}]
    environment:
      AWS_ACCESS_KEY_ID: <<id f>>
      AWS_SECRET_ACCESS_KEY: <<secret f>>
    steps: [checkout, {run: make publish}]
"""),
    File("planted/azure/azure-pipelines.yml", "azure-pipelines", r"""variables:
  - name: awsAccessKeyId
    value: <<id g>>
  - name: awsSecretAccessKey
    value: <<secret g>>
steps:
  - script: ./deploy.sh
"""),
    File("planted/bitbucket/bitbucket-pipelines.yml", "bitbucket-pipe", r"""pipelines:
  default:
    - step:
        script:
          - pipe: atlassian/aws-s3-deploy:1.6.0
            variables:
              AWS_ACCESS_KEY_ID: '<<id n>>'
              AWS_SECRET_ACCESS_KEY: '<<secret n>>'
              S3_BUCKET: 'site'
"""),
    File("planted/drone/.drone.yml", "drone-plugin", r"""kind: pipeline
steps:
  - name: upload
    image: plugins/s3
    settings:
      bucket: acme
      access_key: <<id b>>
      secret_key: <<secret b>>
"""),
    File("planted/buildkite/pipeline.yml", "buildkite-inline", r"""steps:
  - label: ":rocket:"
    command: "AWS_ACCESS_KEY_ID=<<id c>> AWS_SECRET_ACCESS_KEY=<<secret c>> make release"
    branches: main
"""),
    File("planted/jenkins/deploy.groovy", "jenkins-with-env", r"""node('linux') {
  checkout scm
  withEnv(["AWS_ACCESS_KEY_ID=<<id d>>",
           "AWS_SECRET_ACCESS_KEY=<<secret d>>"]) {
    sh 'make deploy'
  }
}
"""),
    File("planted/jenkins/credentials.xml", "jenkins-plain-xml", r"""<?xml version='1.1' encoding='UTF-8'?>
<com.cloudbees.jenkins.plugins.awscredentials.AWSCredentialsImpl>
  <scope>GLOBAL</scope>
  <id>deploy</id>
  <accessKey><<id a>></accessKey>
  <secretKey><<secret a>></secretKey>
</com.cloudbees.jenkins.plugins.awscredentials.AWSCredentialsImpl>
"""),
    File("planted/appveyor/appveyor.yml", "appveyor-deploy", r"""deploy:
  provider: S3
  access_key_id: <<id e>>
  secret_access_key: <<secret e>>
  bucket: builds
"""),
    File("planted/concourse/pipeline.yml", "concourse-resource", r"""resources:
- name: release
  type: s3
  source:
    bucket: releases
    regexp: app-(.*).tgz
    access_key_id: <<id a>>
    secret_access_key: <<secret a>>
    region_name: eu-west-1
"""),
]
