"""Examples, placeholders, references, names, and other services' secrets."""

from render import File

FILES = [
    File("decoys/examples/credentials", "aws-example", r"""[default]
aws_access_key_id = <<example id>>
aws_secret_access_key = <<example secret>>
[second]
aws_access_key_id = <<example id-2>>
aws_secret_access_key = <<example secret-2>>
"""),
    File("decoys/examples/sigv4.md", "aws-example", (
        "`AWSAccessKeyId: <<example id>>`, `AWSSecretAccessKey: <<example secret-plus>>`\n"
    )),
    File("decoys/examples/encoded.yaml", "aws-example", (
        "kind: Secret\ndata:\n  id: <<example64 id>>\n  key: <<example64 secret>>\n"
    )),
    File("decoys/placeholders/template.env", "placeholder", r"""AWS_ACCESS_KEY_ID=<your-access-key-id>
AWS_SECRET_ACCESS_KEY=<your-secret-access-key>
S3_SECRET_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
BACKUP_SECRET_KEY=0000000000000000000000000000000000000000
"""),
    File("decoys/placeholders/masked.log", "placeholder", r"""aws_access_key_id     ****************ABCD
aws_secret_access_key ****************wXyZ
secret_key = [REDACTED], AWS_SECRET_ACCESS_KEY=***
"""),
    File("decoys/placeholders/values.yaml", "placeholder", r"""accessKey: "{{ .Values.s3.accessKey }}"
secretKey: "{{ .Values.s3.secretKey | b64enc | quote }}"
awsSecretAccessKey: CHANGEMECHANGEMECHANGEMECHANGEMECHANGEME
secret_access_key: YourSecretAccessKeyGoesRightHere12345678
"""),
    File("decoys/placeholders/test_keys.py", "placeholder", r'''AWS_ACCESS_KEY_ID = "testing"
AWS_SECRET_ACCESS_KEY = "testing"
FAKE = {"aws_secret_access_key": "<<repeat aB3 40>>"}
SECRET_KEY = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"
'''),
    File("decoys/placeholders/dummy.ts", "placeholder", r"""const secretAccessKey = "DummySecretAccessKeyDummySecretAccessKey";
const secretKey = "thisIsNotARealSecretKeyItIsJustForTesting";
const awsSecret = "ThisIsNotARealSecretItIsOnlyForTestsHere";
"""),
    File("decoys/references/external-secret.yaml", "reference", r"""kind: ExternalSecret
spec:
  secretStoreRef: {name: aws-secrets-manager, kind: ClusterSecretStore}
  data:
    - secretKey: AWS_SECRET_ACCESS_KEY
      remoteRef: {key: Platform/Production/Deployer/Credentials1, property: secret}
"""),
    File("decoys/references/vault.hcl", "reference", r"""template {
  contents = "{{ with secret \"aws/creds/deploy\" }}{{ .Data.secret_key }}{{ end }}"
}
aws_secret_access_key_path = "secret/Data/Teams/Platform/Deployer/Key1"
"""),
    File("decoys/references/op.env", "reference", r"""AWS_ACCESS_KEY_ID="op://Engineering/AWS Deployer/access key id"
AWS_SECRET_ACCESS_KEY="op://Engineering/AWS Deployer/secret access key"
AWS_SECRET_ACCESS_KEY_FILE=/run/secrets/Deployment/AwsSecretAccessKey7
"""),
    File("decoys/references/arn.json", "reference", (
        '{"secret_access_key": {"valueFrom": "arn:aws:secretsmanager:eu-west-1:<<digits 12>>:'
        'secret:prod/s3/SecretAccessKey-<<alnum 6>>"}, "awsSecretArn": "arn:aws:kms:eu-west-1:<<digits 12>>:key/<<uuid>>"}\n'
    )),
    File("decoys/references/Provider.java", "identifier", r"""class AwsSecretAccessKeyProviderConfiguration2 {
    String secretAccessKey = awsSecretAccessKeyForTheProductionAcct10;
    String secretKey = Settings.get(AWSSecretKeyConfigurationPropertyName123);
    Object o = new EnvironmentVariableAwsSecretKeyProviderX();
}
"""),
    File("decoys/references/paths.py", "path", r'''AWS_SECRET_KEY_MODULE = "app/Services/Storage/S3/SecretKeyLoader1"
SECRET_KEY_DOC = "US/docs/Web/API/SubtleCrypto/generateKeys"
secret_key_paths = ["com/Acme/Storage/S3/AwsSecretKeyLoaders1"]
'''),
    File("decoys/other-services/django.py", "other-secret", r'''SECRET_KEY = "django-insecure-<<alnum 50>>"
SESSION_SECRET_KEY = "<<b64 43>>="
FLASK_SECRET_KEY = "<<hex 48>>"
'''),
    File("decoys/other-services/stripe.env", "other-secret", (
        "STRIPE_SECRET_KEY=sk_<<join te+st>>_<<alnum 24>>\nPAYSTACK_SECRET_KEY=sk_<<join te+st>>_<<hex 40>>\n"
        "LARAVEL_SECRET_KEY=base64:<<b64 43>>=\n"
    )),
    File("decoys/other-services/recaptcha.yml", "other-secret", (
        "recaptcha:\n  site_key: 6L<<alnum 6>>AAAAA<<alnum 27>>\n  secret_key: 6L<<alnum 6>>AAAAA<<alnum 27>>\n"
    )),
    File("decoys/other-services/jwt.env", "other-secret", (
        "JWT_SECRET_KEY=<<b64 40>>\nCSRF_SECRET_KEY=<<alnum 40>>\nENCRYPTION_SECRET_KEY=<<b64 40>>\n"
    )),
    File("decoys/other-services/oauth.json", "other-secret", (
        '{"client_id": "Iv1.<<hex 16>>", "client_secret": "<<hex 40>>", "webhook_secret": "<<alnum 40>>",'
        ' "consumer_secret": "<<alnum 40>>"}\n'
    )),
    File("decoys/other-services/azure.tf", "other-secret", (
        'client_secret = "<<alnum 3>>8Q~<<alnum 34>>"\nstorage_account_key = "<<b64 86>>=="\n'
    )),
    File("decoys/unique-ids/principals.json", "unique-id", (
        '{"aws:userid": ["AROA<<upper 17>>", "AIDA<<upper 17>>:*"], "SecretAccess": "AIDA<<upper 16>>",'
        ' "cert": "ASCA<<upper 17>>", "key": "APKA<<upper 17>>"}\n'
    )),
    File("decoys/unique-ids/words.txt", "upper-case-word", (
        "<<join ASIA+MERICANEXCHANGES>>\n<<join ACCA+DEMICALLYMINDEDS>>\n<<join AKIA+HIROSHIMASTREETS>>\n"
    )),
    File("decoys/unique-ids/in-words.txt", "longer-token", "<<inrun>>\n<<run 80>>\nx_<<inrun>>\n"),
    File("decoys/tokens/s3-response.xml", "other-token", (
        "<Error><Code>SignatureDoesNotMatch</Code><RequestId><<upper 16>></RequestId>"
        "<HostId><<b64 76>></HostId><SignatureProvided><<b64 27>>=</SignatureProvided></Error>\n"
    )),
    File("decoys/tokens/versions.json", "other-token", (
        '{"Bucket": "aws-secret-backups", "VersionId": "<<alnum 32>>", "ETag": "\\"<<hex 32>>-7\\"",'
        ' "NextContinuationToken": "1<<b64 63>>=="}\n'
    )),
    File("decoys/tokens/nix.drv", "other-token", (
        "/nix/store/<<word 32>>-aws-secret-key-1.0\nsha256-<<b64 43>>=\n"
    )),
    File("decoys/tokens/snapshot.snap", "other-token", (
        "exports[`aws secret key 1`] = `\nsc-<<word 6>> c<<alnum 5>>\n<<digits 40>>\n<<word 40>>\n`;\n"
    )),
    File("decoys/code/scanner.py", "scanner-rules", r'''RULES = {
    "aws-id": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "aws-secret": r"(?i)aws_?secret_?access_?key\W{1,5}[A-Za-z0-9/+]{40}",
}
'''),
    File("decoys/code/names.ts", "names-only", r"""export interface AwsCredentials { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
const secretAccessKey = process.env.AWS_SECRET_ACCESS_KEY ?? readFileSync(config.awsSecretAccessKeyFile).toString();
"""),
    File("decoys/code/workflow.yml", "names-only", r"""env:
  AWS_ACCESS_KEY_ID: ${{ secrets.AWS_ACCESS_KEY_ID }}
  AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
"""),
    File("decoys/code/ci.gitlab.yml", "names-only", r"""variables:
  AWS_SECRET_ACCESS_KEY: $PROD_AWS_SECRET_ACCESS_KEY
script:
  - test -n "$AWS_SECRET_ACCESS_KEY" || exit 1
  - git rev-parse HEAD  # <<hex 40>>
"""),
]
