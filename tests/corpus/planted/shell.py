"""Shell scripts and dotenv files."""

from render import File

FILES = [
    File("planted/shell/deploy.sh", "shell-export", r"""#!/usr/bin/env bash
# Builds the site and copies it to the bucket.
set -euo pipefail

cd "$(dirname "$0")/.."
npm ci --silent
npm run build

export AWS_DEFAULT_REGION=eu-central-1
export AWS_ACCESS_KEY_ID=<<id a>>
export AWS_SECRET_ACCESS_KEY=<<secret a>>

aws s3 sync --delete build/ "s3://shop-frontend-prod/"
aws cloudfront create-invalidation --distribution-id E2QWRUHAPOMQZL --paths '/*'
echo "deployed $(git rev-parse --short HEAD)"
"""),
    File("planted/shell/backup-restic.sh", "shell-export", r"""#!/bin/sh
# Nightly backup; run by cron as root.
RESTIC_REPOSITORY="s3:s3.amazonaws.com/acme-backups/host7"
RESTIC_PASSWORD_FILE=/etc/restic/password
export RESTIC_REPOSITORY RESTIC_PASSWORD_FILE

export AWS_ACCESS_KEY_ID="<<id b>>"
export AWS_SECRET_ACCESS_KEY="<<secret b>>"

restic backup /srv /etc --exclude-caches || exit 1
restic forget --keep-daily 7 --keep-weekly 5 --prune
"""),
    File("planted/shell/profile.fish", "shell-export", r"""# ~/.config/fish/conf.d/work.fish
set -gx EDITOR nvim
set -gx AWS_REGION us-west-2
set -gx AWS_ACCESS_KEY_ID '<<id c>>'
set -gx AWS_SECRET_ACCESS_KEY '<<secret c>>'
fish_add_path ~/.local/bin
"""),
    File("planted/shell/one-command.sh", "shell-inline", r"""#!/usr/bin/env bash
set -e
# Copies the dump of the night before to the staging bucket.
dump=$(ls -t /var/backups/pg/*.dump | head -n 1)
AWS_ACCESS_KEY_ID=<<id e>> AWS_SECRET_ACCESS_KEY=<<secret e>> \
    aws s3 cp "$dump" s3://acme-staging/dumps/ --only-show-errors
rm -f "$dump.tmp"
"""),
    File("planted/shell/session.sh", "shell-session", r"""#!/usr/bin/env bash
# Pasted from the access portal; good for an hour.
export AWS_ACCESS_KEY_ID="<<id d>>"
export AWS_SECRET_ACCESS_KEY="<<secret d>>"
export AWS_SESSION_TOKEN="IQoJb3JpZ2luX2Vj<<alnum 340>>"
aws sts get-caller-identity
"""),
    File("planted/shell/setup.bat", "windows-set", r"""@echo off
rem Sets up the build agent.
set PATH=%PATH%;C:\tools\awscli
set AWS_DEFAULT_REGION=eu-west-1
set AWS_ACCESS_KEY_ID=<<id b>>
set AWS_SECRET_ACCESS_KEY=<<secret b>>
call build.cmd %1
""", "crlf"),
    File("planted/shell/agent.ps1", "powershell", r"""param([string]$Stage = "dev")
$ErrorActionPreference = "Stop"
Import-Module AWS.Tools.S3

$env:AWS_ACCESS_KEY_ID = "<<id f>>"
$env:AWS_SECRET_ACCESS_KEY = "<<secret f>>"

Set-AWSCredential -AccessKey '<<id a>>' `
    -SecretKey '<<secret a>>' -StoreAs backup
Get-S3Object -BucketName "acme-$Stage" | Select-Object Key, Size
"""),
    File("planted/shell/configure.sh", "aws-configure", r"""#!/bin/bash
# First boot of a worker.
apt-get update -qq && apt-get install -y awscli
aws configure set region eu-north-1
aws configure set aws_access_key_id <<id n>>
aws configure set aws_secret_access_key <<secret n>>
systemctl restart worker.service
"""),
    File("planted/shell/heredoc.sh", "shell-heredoc", r"""#!/bin/bash
mkdir -p ~/.aws
cat > ~/.aws/credentials <<EOF
[default]
aws_access_key_id = <<id g>>
aws_secret_access_key = <<secret g>>
EOF
chmod 600 ~/.aws/credentials
cat > ~/.passwd-s3fs <<EOF
acme-media:<<id b>>:<<secret b>>
EOF
chmod 600 ~/.passwd-s3fs
s3fs acme-media /mnt/media -o passwd_file=~/.passwd-s3fs
"""),
    File("planted/dotenv/.env", "dotenv", r"""APP_ENV=production
APP_KEY=base64:<<hex 44>>
APP_URL=https://shop.example.com
DB_HOST=db.internal
DB_PORT=5432

FILESYSTEM_DISK=s3
AWS_ACCESS_KEY_ID=<<id a>>
AWS_SECRET_ACCESS_KEY=<<secret a>>
AWS_DEFAULT_REGION=eu-central-1
AWS_BUCKET=shop-uploads
AWS_USE_PATH_STYLE_ENDPOINT=false
"""),
    File("planted/dotenv/.env.production", "dotenv-quoted", r"""# exported by the platform team
NODE_ENV="production"
REDIS_URL='redis://cache:6379/0'
AWS_REGION="us-east-1"
AWS_ACCESS_KEY_ID="<<id b>>"
AWS_SECRET_ACCESS_KEY="<<secret b>>"
LOG_LEVEL="info"
"""),
    File("planted/dotenv/.envrc", "dotenv-export", r"""# direnv
layout node
export PGHOST=localhost
export AWS_ACCESS_KEY_ID='<<id e>>'
export AWS_SECRET_ACCESS_KEY='<<secret e>>'   # asked Ines for this one
export TF_VAR_region=eu-west-3
"""),
    File("planted/dotenv/worker.env", "dotenv-other-names", r"""QUEUE=mail
CONCURRENCY=4
S3_BUCKET=acme-mail
S3_KEY=<<id c>>
S3_SECRET=<<secret c>>
SQS_ACCESS_KEY_ID = <<id f>>
SQS_SECRET_ACCESS_KEY = <<secret f>>
AWS_ACCESS_KEY=<<id a>>
AWS_SECRET_KEY=<<secret a>>
"""),
    File("planted/dotenv/secret-only.env", "secret-alone", r"""# The ID comes from the deployment's variables.
AWS_ACCESS_KEY_ID=${DEPLOY_KEY_ID}
AWS_SECRET_ACCESS_KEY=<<secret b>>
AWS_REGION=eu-central-1
"""),
]
