"""The examples of AWS's documentation, and placeholders of every kind."""

from render import File

DOCUMENTATION = [
    File("decoys/examples/README.md", "aws-example", r"""# Setting up

Put your credentials into `~/.aws/credentials`:

```ini
[default]
aws_access_key_id = <<example id>>
aws_secret_access_key = <<example secret>>

[user1]
aws_access_key_id = <<example id-2>>
aws_secret_access_key = <<example secret-2>>
```
"""),
    File("decoys/examples/env.sample", "aws-example", r"""AWS_ACCESS_KEY_ID=<<example id>>
AWS_SECRET_ACCESS_KEY="<<example secret>>"
AWS_DEFAULT_REGION=us-west-2
"""),
    File("decoys/examples/sts.json", "aws-example", r"""{
    "Credentials": {
        "AccessKeyId": "<<example id-temporary>>",
        "SecretAccessKey": "<<example secret-long>>",
        "SessionToken": "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW",
        "Expiration": "2011-07-15T23:28:33.359Z"
    }
}
"""),
    File("decoys/examples/secret.yaml", "aws-example", r"""apiVersion: v1
kind: Secret
metadata: {name: example}
data:
  AWS_ACCESS_KEY_ID: <<example64 id>>
  AWS_SECRET_ACCESS_KEY: <<example64 secret>>
stringData:
  other: <<example id-2>>
  other-secret: <<example secret-2>>
"""),
    File("decoys/examples/client_test.go", "aws-example", r"""package store

import "testing"

func TestSigning(t *testing.T) {
	c := New("<<example id>>", "<<example secret-plus>>")
	if c.KeyID() != "<<example id>>" {
		t.Fatal("wrong key")
	}
}
"""),
    File("decoys/examples/signing.py", "aws-example", r'''"""The worked example of signature version 4."""

ACCESS_KEY = "<<example id>>"
SECRET_KEY = "<<example secret-plus>>"
SCOPE = "20150830/us-east-1/iam/aws4_request"
SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
URL = "https://examplebucket.s3.amazonaws.com/t.txt?X-Amz-Credential=<<example id>>%2F20130524"
'''),
    File("decoys/examples/minified.json", "aws-example", (
        '{"credentials":{"accessKeyId":"<<example id>>","secretAccessKey":"<<example secret>>"}}\n'
    )),
    File("decoys/examples/policy.tf", "aws-example", r"""provider "aws" {
  region     = "us-west-2"
  access_key = "<<example id-2>>"
  secret_key = "<<example secret-2>>"
}
"""),
    File("decoys/examples/accessKeys.csv", "aws-example", (
        "Access key ID,Secret access key\n<<example id>>,<<example secret>>\n"
    ), "bom-crlf"),
    File("decoys/examples/notes.txt", "aws-example", (
        "AWS_ACCESS_KEY_ID=<<example id>>\nAWS_SECRET_ACCESS_KEY=<<example secret>>\n"
    ), "utf-16le"),
]

# Name, and what stands where the ID and the secret would.
PLACEHOLDERS = [
    ("exes", "<<repeat x 20>>", "<<repeat x 40>>"),
    ("capital-exes", "<<join AKIA+XXXXXXXXXXXXXXXX>>", "<<repeat X 40>>"),
    ("stars", "<<repeat * 20>>", "<<repeat * 40>>"),
    ("angle-brackets", "<your access key>", "<your secret key>"),
    ("your-names", "YOUR_ACCESS_KEY_ID", "YOUR_SECRET_ACCESS_KEY"),
    ("your-kebab", "your-access-key-id", "your-secret-access-key-goes-right-here"),
    ("shell-variable", "${DEPLOY_KEY_ID}", "${DEPLOY_SECRET_ACCESS_KEY}"),
    ("shell-default", "${KEY_ID:-none}", "${AWS_SECRET_ACCESS_KEY:-no_secret_set_so_far}"),
    ("mustache", "{{ aws_key_id }}", "{{ lookup('env', 'AWS_SECRET_ACCESS_KEY') }}"),
    ("windows-variable", "%AWS_KEY_ID%", "%AWS_SECRET_ACCESS_KEY%"),
    ("double-underscore", "__AWS_KEY_ID__", "__AWS_SECRET_ACCESS_KEY_FROM_PIPELINE__"),
    ("at-signs", "@aws.key.id@", "@aws.secret.access.key@"),
    ("concourse", "((aws.access_key))", "((aws.secret_access_key))"),
    ("changeme", "changeme", "changeme"),
    ("same-letter", "<<repeat A 20>>", "<<repeat A 40>>"),
    ("zeroes", "<<join AKIA+0000000000000000>>", "<<repeat 0 40>>"),
    ("counting", "<<join AKIA+1234567890123456>>", "<<repeat 1234567890 40>>"),
    ("alphabet", "<<join AKIA+ABCDEFGHIJKLMNOP>>", "<<join ABCDEFGHIJKLMNOPQRST+UVWXYZabcdefghijklmn>>"),
    ("ten-letters", "<<repeat abcdefghij 20>>", "<<repeat abcdefghij 40>>"),
    ("pattern", "<<join AKIA+TESTTESTTESTTEST>>", "<<repeat aB3/ 40>>"),
    ("fake", "<<join AKIA+FAKEFAKEFAKEFAKE>>", "<<repeat fakeSecret 40>>"),
    ("example-word", "<<join AKIA+YOURKEYGOESHERE2>>", "<<join YOURSECRETACCESSKEYGO+ESHEREYOURSECRETKEY>>"),
    ("replace-me", "<<join AKIA+REPLACEMEREPLACE>>", "<<join ReplaceThisWithYourOwn+AWSSecretAccessKey>>"),
    ("sentence", "<<join AKIA+PLACEHOLDERPLACE>>", "<<join ThisIsNotTheSecretAcc+essKeyYouAreLooking>>"),
    ("redacted", "[REDACTED]", "***REMOVED***"),
    ("masked", "<<join AKIA+************>>WXYZ", "****************************************"),
    ("ellipsis", "<<join AKIA+...>>", "..."),
    ("emulators", "test", "test"),
    ("minio", "minioadmin", "minioadmin"),
    ("empty", "", ""),
    ("null", "null", "null"),
    ("one-password", "op://infra/deploy/key-id", "op://infra/deploy/aws-secret-access-key"),
    ("vault-path", "vault:secret/data/aws#key_id", "vault:secret/data/deploy/aws#secret_key"),
    ("parameter", "ssm:/prod/aws/key-id", "ssm:/prod/deploy/aws/secret-access-key"),
    ("resolve", "{{resolve:ssm:key}}", "{{resolve:secretsmanager:deploy:SecretString:secret}}"),
]

# Each placeholder stands in one format, taken in turn.
FORMATS = [
    ("env", "APP_ENV=dev\nAWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\nAWS_REGION=us-east-1\n"),
    ("ini", "[default]\nregion = us-east-1\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
    ("yaml", 's3:\n  bucket: media\n  accessKeyId: "{id}"\n  secretAccessKey: "{secret}"\n'),
    ("json", '{{\n  "bucket": "media",\n  "accessKeyId": "{id}",\n  "secretAccessKey": "{secret}"\n}}\n'),
    ("tf", 'provider "aws" {{\n  access_key = "{id}"\n  secret_key = "{secret}"\n}}\n'),
    ("py", 'AWS_ACCESS_KEY_ID = "{id}"\nAWS_SECRET_ACCESS_KEY = "{secret}"\nREGION = "us-east-1"\n'),
    ("sh", "export AWS_ACCESS_KEY_ID='{id}'\nexport AWS_SECRET_ACCESS_KEY='{secret}'\naws s3 ls\n"),
]


def _placeholder_files():
    """One file for each placeholder."""
    for number, (name, key_id, secret) in enumerate(PLACEHOLDERS):
        suffix, body = FORMATS[number % len(FORMATS)]
        text = body.format(id=key_id, secret=secret)
        yield File(f"decoys/placeholders/{name}.{suffix}", "placeholder", text)


FILES = [*DOCUMENTATION, *_placeholder_files()]
