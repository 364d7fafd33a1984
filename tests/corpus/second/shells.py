"""Command lines, histories, units, PowerShell."""

from render import File

FILES = [
    File("planted/shell/continued.sh", "export-continued", r"""#!/bin/sh
export AWS_ACCESS_KEY_ID=<<id a>> \
       AWS_SECRET_ACCESS_KEY=<<secret a>> \
       AWS_DEFAULT_REGION=eu-west-1
exec "$@"
"""),
    File("planted/shell/env.sh", "env-continued", r"""env \
  AWS_ACCESS_KEY_ID='<<id b>>' \
  AWS_SECRET_ACCESS_KEY='<<secret b>>' \
  terraform apply -auto-approve
"""),
    File("planted/shell/value-below.sh", "value-on-next-line", r"""aws configure set default.aws_secret_access_key \
  <<secret c>>
aws configure set default.aws_access_key_id \
  <<id c>>
"""),
    File("planted/shell/docker-run.sh", "docker-run", r"""docker run --rm -e AWS_ACCESS_KEY_ID=<<id d>> -e AWS_SECRET_ACCESS_KEY=<<secret d>> \
  -v "$PWD:/data" amazon/aws-cli s3 ls
"""),
    File("planted/shell/.zsh_history", "zsh-history", r""": 1700000000:0;cd infra
: 1700000011:0;export AWS_ACCESS_KEY_ID=<<id e>>
: 1700000012:0;export AWS_SECRET_ACCESS_KEY=<<secret e>>
: 1700000030:4;terraform plan
"""),
    File("planted/shell/login.csh", "csh-setenv", r"""setenv AWS_ACCESS_KEY_ID <<id f>>
setenv AWS_SECRET_ACCESS_KEY <<secret f>>
set path = (/usr/local/bin $path)
"""),
    File("planted/shell/init.sh", "backend-config", r"""terraform init \
  -backend-config="bucket=acme-state" \
  -backend-config="access_key=<<id g>>" \
  -backend-config="secret_key=<<secret g>>"
"""),
    File("planted/shell/secrets.sh", "gh-secret-set", r"""gh secret set AWS_ACCESS_KEY_ID --body "<<id n>>"
gh secret set AWS_SECRET_ACCESS_KEY --body "<<secret n>>"
"""),
    File("planted/shell/heroku.txt", "heroku-config", r"""$ heroku config -a acme
=== acme Config Vars
AWS_ACCESS_KEY_ID:     <<id a>>
AWS_SECRET_ACCESS_KEY: <<secret a>>
LANG:                  en_US.UTF-8
"""),
    File("planted/shell/curl.sh", "curl-sigv4", r"""curl --aws-sigv4 "aws:amz:eu-west-1:es" --user "<<id b>>:<<secret b>>" https://search.example.com/_cat
"""),
    File("planted/shell/array.bash", "bash-array", r"""declare -A prod=(
  [id]=<<id c>>
  [key]=<<secret c>>
)
"""),
    File("planted/shell/default.sh", "parameter-default", r"""key_id="${AWS_ACCESS_KEY_ID:-<<id d>>}"
secret="${AWS_SECRET_ACCESS_KEY:-<<secret d>>}"
"""),
    File("planted/shell/trace.log", "set-x-trace", r"""+ AWS_ACCESS_KEY_ID=<<id b>>
+ AWS_SECRET_ACCESS_KEY=<<secret b>>
+ aws s3 ls
+ awk '{ print $4 }'
"""),
    File("planted/systemd/backup.service", "systemd-environment", r"""[Service]
Type=oneshot
Environment="AWS_ACCESS_KEY_ID=<<id e>>" "AWS_SECRET_ACCESS_KEY=<<secret e>>"
ExecStart=/usr/bin/restic backup /srv
"""),
    File("planted/systemd/crontab", "crontab", r"""AWS_ACCESS_KEY_ID=<<id a>>
AWS_SECRET_ACCESS_KEY=<<secret a>>
17 3 * * * root /usr/local/bin/dump
"""),
    File("planted/powershell/store.ps1", "powershell-set-credential", r"""Import-Module AWS.Tools.Common
Set-AWSCredential -AccessKey <<id b>> -SecretKey <<secret b>> -StoreAs deploy
"""),
    File("planted/powershell/machine.ps1", "powershell-environment", r"""[Environment]::SetEnvironmentVariable('AWS_ACCESS_KEY_ID', '<<id c>>', 'Machine')
[Environment]::SetEnvironmentVariable('AWS_SECRET_ACCESS_KEY', '<<secret c>>', 'Machine')
"""),
    File("planted/powershell/splat.ps1", "powershell-splat", r"""$aws = @{
    AccessKey = '<<id d>>'
    SecretKey = '<<secret d>>'
    Region    = 'eu-west-1'
}
Get-S3Bucket @aws
"""),
    File("planted/windows/setx.cmd", "setx", (
        "setx AWS_ACCESS_KEY_ID <<id n>>\nsetx AWS_SECRET_ACCESS_KEY <<secret n>> /M\n"
    ), "crlf"),
]
