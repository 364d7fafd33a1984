"""Terraform, images and build pipelines."""

from render import File

FILES = [
    File("planted/terraform/main.tf", "terraform-provider", r"""terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.40" }
  }
}

provider "aws" {
  region     = "eu-central-1"
  access_key = "<<id a>>"
  secret_key = "<<secret a>>"
}

provider "aws" {
  alias      = "dns"
  region     = "us-east-1"
  access_key = "<<id b>>"
  secret_key = "<<secret b>>"
}

resource "aws_s3_bucket" "site" {
  bucket = "acme-site"
}
"""),
    File("planted/terraform/backend.tf", "terraform-backend", r"""terraform {
  backend "s3" {
    bucket     = "acme-state"
    key        = "prod/network.tfstate"
    region     = "eu-central-1"
    access_key = "<<id c>>"
    secret_key = "<<secret c>>"
    encrypt    = true
  }
}
"""),
    File("planted/terraform/prod.tfvars", "tfvars", r"""environment = "prod"
aws_region  = "eu-west-1"

aws_access_key_id     = "<<id e>>"
aws_secret_access_key = "<<secret e>>"

instance_count = 3
"""),
    File("planted/terraform/variables.tf", "terraform-default", r"""variable "access_key" {
  type    = string
  default = "<<id f>>"
}

variable "secret_key" {
  type      = string
  default   = "<<secret f>>"
  sensitive = true
}
"""),
    File("planted/docker/Dockerfile", "dockerfile-env", r"""FROM python:3.12-slim AS build
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
ENV AWS_DEFAULT_REGION=eu-central-1
ENV AWS_ACCESS_KEY_ID=<<id a>>
ENV AWS_SECRET_ACCESS_KEY=<<secret a>>
COPY . .
CMD ["python", "-m", "app"]
"""),
    File("planted/docker/Dockerfile.legacy", "dockerfile-env-spaces", r"""FROM ubuntu:22.04
MAINTAINER ops
ENV AWS_ACCESS_KEY_ID <<id c>>
ENV AWS_SECRET_ACCESS_KEY <<secret c>>
RUN apt-get update && apt-get install -y s3cmd
ENTRYPOINT ["/entry.sh"]
"""),
    File("planted/docker/worker.Dockerfile", "dockerfile-arg", r"""# syntax=docker/dockerfile:1
FROM golang:1.22 AS build
ARG AWS_ACCESS_KEY_ID="<<id b>>"
ARG AWS_SECRET_ACCESS_KEY="<<secret b>>"
RUN AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY \
    aws s3 cp s3://acme-deps/vendor.tgz - | tar xz
FROM scratch
COPY --from=build /out/worker /worker
LABEL org.opencontainers.image.revision="<<hex 40>>"
"""),
    File("planted/jenkins/Jenkinsfile", "jenkinsfile", r"""pipeline {
    agent any
    environment {
        AWS_DEFAULT_REGION    = 'eu-west-1'
        AWS_ACCESS_KEY_ID     = '<<id a>>'
        AWS_SECRET_ACCESS_KEY = '<<secret a>>'
    }
    stages {
        stage('Publish') {
            steps {
                sh './gradlew publish'
                withEnv(["AWS_ACCESS_KEY_ID=<<id e>>", "AWS_SECRET_ACCESS_KEY=<<secret e>>"]) {
                    sh 'aws s3 ls'
                }
            }
        }
    }
}
"""),
    File("planted/build/Makefile", "makefile", r"""BUCKET := acme-docs
AWS_ACCESS_KEY_ID ?= <<id b>>
AWS_SECRET_ACCESS_KEY ?= <<secret b>>
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

.PHONY: publish
publish: html
	aws s3 sync html/ s3://$(BUCKET)/
"""),
    File("planted/build/gradle.properties", "gradle-properties", r"""org.gradle.jvmargs=-Xmx2g
org.gradle.parallel=true
awsAccessKey=<<id f>>
awsSecretKey=<<secret f>>
version=1.12.0
"""),
    File("planted/build/build.gradle.kts", "gradle", r"""publishing {
    repositories {
        maven {
            url = uri("s3://acme-maven/releases")
            credentials(AwsCredentials::class) {
                accessKey = "<<id c>>"
                secretKey = "<<secret c>>"
            }
        }
    }
}
"""),
    File("planted/build/Vagrantfile", "vagrantfile", r"""Vagrant.configure("2") do |config|
  config.vm.box = "dummy"
  config.vm.provider :aws do |aws, override|
    aws.access_key_id = "<<id n>>"
    aws.secret_access_key = "<<secret n>>"
    aws.ami = "ami-<<hex 17>>"
    override.ssh.username = "ubuntu"
  end
end
"""),
    File("planted/build/image.pkr.hcl", "packer", r"""source "amazon-ebs" "base" {
  access_key    = "<<id a>>"
  secret_key    = "<<secret a>>"
  region        = "eu-central-1"
  instance_type = "t3.micro"
  source_ami    = "ami-<<hex 17>>"
  ssh_username  = "admin"
}
"""),
    File("planted/build/serverless.yml", "serverless", r"""service: thumbs
frameworkVersion: "3"
provider:
  name: aws
  runtime: nodejs20.x
  environment:
    UPLOAD_KEY_ID: <<id e>>
    UPLOAD_SECRET_ACCESS_KEY: <<secret e>>
functions:
  make:
    handler: src/make.handler
"""),
    File("planted/build/nginx.conf", "nginx", r"""worker_processes auto;
http {
  server {
    listen 8443 ssl;
    location /assets/ {
      aws_access_key <<id g>>;
      aws_secret_key <<secret g>>;
      proxy_pass https://acme-assets.s3.amazonaws.com;
    }
  }
}
"""),
]
