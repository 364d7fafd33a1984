"""JSON, TOML, XML, CSV, notebooks: formats that programs write."""

from render import File

FILES = [
    File("planted/json/config.json", "json-config", r"""{
  "port": 3000,
  "logLevel": "info",
  "storage": {
    "driver": "s3",
    "bucket": "shop-uploads",
    "region": "eu-central-1",
    "accessKeyId": "<<id a>>",
    "secretAccessKey": "<<secret a>>"
  },
  "features": {"search": true}
}
"""),
    File("planted/json/package.json", "json-package", r"""{
  "name": "site",
  "version": "4.2.0",
  "private": true,
  "scripts": {"build": "vite build", "deploy": "gulp publish"},
  "config": {
    "aws": {
      "key": "<<id b>>",
      "secret": "<<secret b>>",
      "bucket": "site-assets"
    }
  },
  "devDependencies": {"vite": "^5.2.0"}
}
"""),
    File("planted/json/create-access-key.json", "json-iam-output", r"""{
    "AccessKey": {
        "UserName": "ci-deploy",
        "AccessKeyId": "<<id c>>",
        "Status": "Active",
        "SecretAccessKey": "<<secret c>>",
        "CreateDate": "2023-02-08T10:14:31+00:00"
    }
}
"""),
    File("planted/json/sts.json", "json-sts-output", r"""{
    "Credentials": {
        "AccessKeyId": "<<id d>>",
        "SecretAccessKey": "<<secret d>>",
        "SessionToken": "IQoJb3JpZ2luX2Vj<<alnum 400>>",
        "Expiration": "2024-05-02T18:00:12+00:00"
    },
    "AssumedRoleUser": {
        "AssumedRoleId": "AROA<<upper 17>>:deploy",
        "Arn": "arn:aws:sts::<<digits 12>>:assumed-role/deploy/deploy"
    }
}
"""),
    File("planted/json/minified.json", "json-minified", (
        r'{"version":3,"env":"prod","queue":{"type":"sqs","url":"https://sqs.eu-west-1.amazonaws.com/'
        r'<<digits 12>>/jobs","credentials":{"accessKeyId":"<<id b>>","secretAccessKey":"<<secret b>>"},'
        r'"visibility":30},"cache":{"type":"redis","host":"cache"},"flags":["a","b"],"build":"<<hex 40>>"}'
        "\n"
    )),
    File("planted/json/deep.json", "json-nested", r"""{
  "environments": {
    "prod": {
      "services": [
        {
          "name": "exporter",
          "settings": {
            "AWS": {
              "AWS_ACCESS_KEY_ID": "<<id e>>",
              "AWS_SECRET_ACCESS_KEY": "<<secret e>>"
            }
          }
        },
        {"name": "importer", "settings": {"aws_secret_access_key": "<<secret f>>"}}
      ]
    }
  }
}
"""),
    File("planted/json/settings-export.json", "json-escaped-slash", r"""{
    "plugin": "media-offload",
    "version": "3.2.6",
    "settings": {
        "provider": "aws",
        "access-key-id": "<<id b>>",
        "secret-access-key": "<<secret b|slashes>>",
        "delivery-domain": "https:\/\/cdn.example.com",
        "bucket": "uploads"
    }
}
"""),
    File("planted/json/task-definition.json", "json-name-value", r"""{
  "family": "api",
  "containerDefinitions": [
    {
      "name": "api",
      "image": "<<digits 12>>.dkr.ecr.eu-west-1.amazonaws.com/api:1.0.3",
      "environment": [
        { "name": "STAGE", "value": "prod" },
        { "name": "AWS_ACCESS_KEY_ID", "value": "<<id a>>" },
        { "name": "AWS_SECRET_ACCESS_KEY", "value": "<<secret a>>" }
      ]
    }
  ]
}
"""),
    File("planted/json/lambda-event.json", "json-in-json", r"""{
  "Records": [
    {
      "messageId": "<<uuid>>",
      "body": "{\"job\":\"copy\",\"target\":{\"accessKeyId\":\"<<id c>>\",\"secretAccessKey\":\"<<secret c>>\",\"region\":\"us-east-1\"}}",
      "eventSource": "aws:sqs"
    }
  ]
}
"""),
    File("planted/json/secret-string.json", "json-in-json", r"""{
    "ARN": "arn:aws:secretsmanager:us-east-1:<<digits 12>>:secret:deploy-Ab3dEf",
    "Name": "deploy",
    "VersionId": "<<uuid>>",
    "SecretString": "{\"AWS_ACCESS_KEY_ID\": \"<<id a>>\", \"AWS_SECRET_ACCESS_KEY\": \"<<secret a>>\"}",
    "VersionStages": ["AWSCURRENT"]
}
"""),
    File("planted/json/file-in-json.json", "json-escaped-newlines", r"""{
  "files": {
    "/etc/motd": "welcome\n",
    "/root/.aws/credentials": "[default]\naws_access_key_id = <<id e>>\naws_secret_access_key = <<secret e>>\n",
    "/root/accessKeys.csv": "Access key ID,Secret access key\n<<id f>>,<<secret f>>\n"
  }
}
"""),
    File("planted/json/events.jsonl", "json-lines", (
        r'{"ts":"2024-03-01T10:00:00Z","level":"info","msg":"start","pid":4121}' "\n"
        r'{"ts":"2024-03-01T10:00:01Z","level":"debug","msg":"config","aws":{"access_key_id":"<<id a>>",'
        r'"secret_access_key":"<<secret a>>"}}' "\n"
        r'{"ts":"2024-03-01T10:00:02Z","level":"info","msg":"listening","port":8080}' "\n"
    )),
    File("planted/terraform/terraform.tfvars.json", "tfvars-json", r"""{
  "region": "eu-west-1",
  "aws_access_key": "<<id n>>",
  "aws_secret_key": "<<secret n>>",
  "instance_type": "t3.small",
  "zones": ["a", "b"]
}
"""),
    File("planted/terraform/terraform.tfstate", "tfstate", r"""{
  "version": 4,
  "terraform_version": "1.7.5",
  "serial": 41,
  "lineage": "<<uuid>>",
  "outputs": {
    "deploy_key_id": {
      "value": "<<id a>>",
      "type": "string"
    },
    "deploy_secret": {
      "value": "<<secret a>>",
      "type": "string",
      "sensitive": true
    }
  },
  "resources": [
    {
      "mode": "managed",
      "type": "aws_iam_user",
      "name": "deploy",
      "provider": "provider[\"registry.example.com/hashicorp/aws\"]",
      "instances": [
        {
          "schema_version": 0,
          "attributes": {
            "arn": "arn:aws:iam::<<digits 12>>:user/deploy",
            "name": "deploy",
            "unique_id": "AIDA<<upper 17>>"
          }
        }
      ]
    },
    {
      "mode": "managed",
      "type": "aws_iam_access_key",
      "name": "deploy",
      "provider": "provider[\"registry.example.com/hashicorp/aws\"]",
      "instances": [
        {
          "schema_version": 0,
          "attributes": {
            "create_date": "2024-01-17T08:30:12Z",
            "encrypted_secret": null,
            "id": "<<id b>>",
            "key_fingerprint": null,
            "pgp_key": null,
            "secret": "<<secret b>>",
            "ses_smtp_password_v4": "B<<alnum 43>>",
            "status": "Active",
            "user": "deploy"
          },
          "sensitive_attributes": [],
          "private": "bnVsbA=="
        }
      ]
    }
  ]
}
"""),
    File("planted/toml/config.toml", "toml", r"""title = "ingest"

[server]
listen = "0.0.0.0:9000"

[sinks.archive]
type = "aws_s3"
bucket = "archive"
region = "eu-west-1"
auth.access_key_id = "<<id c>>"
auth.secret_access_key = "<<secret c>>"

[cache]
s3 = { bucket = "ci-cache", access_key = "<<id b>>", secret_key = "<<secret b>>" }
"""),
    File("planted/toml/runner.toml", "toml-other-names", r"""concurrent = 4

[[runners]]
  name = "docker-1"
  url = "https://gitlab.example.com/"
  executor = "docker"
  [runners.cache]
    Type = "s3"
    Shared = true
    [runners.cache.s3]
      ServerAddress = "s3.amazonaws.com"
      AccessKey = "<<id a>>"
      SecretKey = "<<secret a>>"
      BucketName = "runner-cache"
"""),
    File("planted/xml/core-site.xml", "xml-hadoop", r"""<?xml version="1.0"?>
<configuration>
  <property>
    <name>fs.defaultFS</name>
    <value>hdfs://namenode:8020</value>
  </property>
  <property>
    <name>fs.s3a.access.key</name>
    <value><<id b>></value>
  </property>
  <property>
    <name>fs.s3a.secret.key</name>
    <value><<secret b>></value>
  </property>
</configuration>
"""),
    File("planted/xml/settings.xml", "xml-maven", r"""<settings>
  <servers>
    <server>
      <id>releases-s3</id>
      <username><<id e>></username>
      <password><<secret e>></password>
    </server>
  </servers>
</settings>
"""),
    File("planted/xml/web.config", "xml-attribute", r"""<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>
    <add key="Environment" value="Production" />
    <add key="AWSAccessKey" value="<<id c>>" />
    <add key="AWSSecretKey" value="<<secret c>>" />
    <add key="AWSRegion" value="eu-west-1" />
  </appSettings>
</configuration>
""", "bom-crlf"),
    File("planted/xml/Info.plist", "xml-plist", r"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
	<key>CFBundleIdentifier</key>
	<string>com.example.uploader</string>
	<key>AWSAccessKeyId</key>
	<string><<id f>></string>
	<key>AWSSecretAccessKey</key>
	<string><<secret f>></string>
</dict>
</plist>
"""),
    File("planted/csv/accessKeys.csv", "csv-console", (
        "Access key ID,Secret access key\n<<id a>>,<<secret a>>\n"
    ), "bom-crlf"),
    File("planted/csv/ci-deploy_accessKeys.csv", "csv-console", (
        "Access key ID,Secret access key\n<<id b>>,<<secret b>>\n"
    ), "no-newline"),
    File("planted/csv/credentials.csv", "csv-console-old", r"""User name,Password,Access key ID,Secret access key,Console login link
maria,,<<id c>>,<<secret c>>,https://<<digits 12>>.signin.aws.amazon.com/console
deploy,,<<id f>>,<<secret f>>,https://<<digits 12>>.signin.aws.amazon.com/console
"""),
    File("planted/csv/keys.tsv", "csv-quoted", (
        "team\towner\tkey\tsecret\tsince\n"
        "billing\tjo\t<<id e>>\t<<secret e>>\t2021-04-01\n"
        'search\tada\t"<<id b>>"\t"<<secret b>>"\t2022-11-19\n'
    )),
    File("planted/notebooks/explore.ipynb", "notebook-source", r"""{
 "cells": [
  {
   "cell_type": "markdown",
   "metadata": {},
   "source": ["# Orders of last quarter\n", "Reads the lake directly."]
  },
  {
   "cell_type": "code",
   "execution_count": 1,
   "metadata": {},
   "outputs": [],
   "source": [
    "import os, boto3, pandas as pd\n",
    "os.environ['AWS_ACCESS_KEY_ID'] = '<<id a>>'\n",
    "os.environ['AWS_SECRET_ACCESS_KEY'] = '<<secret a>>'\n",
    "s3 = boto3.client('s3')"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": 2,
   "metadata": {},
   "outputs": [],
   "source": [
    "client = boto3.client(\n",
    "    \"athena\",\n",
    "    aws_access_key_id=\"<<id b>>\",\n",
    "    aws_secret_access_key=\"<<secret b>>\",\n",
    ")"
   ]
  }
 ],
 "metadata": {"kernelspec": {"name": "python3"}},
 "nbformat": 4,
 "nbformat_minor": 5
}
"""),
    File("planted/notebooks/debug.ipynb", "notebook-output", r"""{
 "cells": [
  {
   "cell_type": "code",
   "execution_count": 7,
   "metadata": {},
   "outputs": [
    {
     "name": "stdout",
     "output_type": "stream",
     "text": [
      "region     eu-central-1\n",
      "access_key <<id e>>\n",
      "secret_key <<secret e>>\n"
     ]
    },
    {
     "data": {
      "text/plain": [
       "{'AccessKeyId': '<<id c>>', 'SecretAccessKey': '<<secret c>>'}"
      ],
      "image/png": "iVBORw0KGgo<<b64 900>>"
     },
     "execution_count": 7,
     "metadata": {},
     "output_type": "execute_result"
    }
   ],
   "source": ["show()"]
  }
 ],
 "metadata": {},
 "nbformat": 4,
 "nbformat_minor": 5
}
"""),
]
