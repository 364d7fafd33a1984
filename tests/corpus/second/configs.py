"""Settings: properties, TOML, XML, INI, JSON, YAML of services, dot files."""

from render import File

FILES = [
    File("planted/properties/spring.properties", "spring-cloud", r"""spring.application.name=orders
spring.cloud.aws.credentials.access-key=<<id a>>
spring.cloud.aws.credentials.secret-key=<<secret a>>
spring.cloud.aws.region.static=eu-west-1
"""),
    File("planted/properties/continued.properties", "properties-continued", r"""storage.bucket = media
aws.accessKeyId = \
    <<id b>>
aws.secretKey = \
    <<secret b>>
"""),
    File("planted/properties/jvm.options", "jvm-options", r"""-Xmx2g
-Daws.accessKeyId=<<id c>>
-Daws.secretKey=<<secret c>>
"""),
    File("planted/properties/pgbackrest.conf", "pgbackrest", r"""[global]
repo1-type=s3
repo1-s3-bucket=pg
repo1-s3-key=<<id d>>
repo1-s3-key-secret=<<secret d>>
"""),
    File("planted/properties/app.ini", "gitea", r"""[storage]
STORAGE_TYPE = minio
MINIO_ENDPOINT = s3.amazonaws.com
MINIO_ACCESS_KEY_ID = <<id e>>
MINIO_SECRET_ACCESS_KEY = <<secret e>>
"""),
    File("planted/toml/inline.toml", "toml-inline-table", r"""[storage]
kind = "s3"
credentials = { access_key_id = "<<id f>>", secret_access_key = "<<secret f>>" }
"""),
    File("planted/toml/vector.toml", "toml-dotted", r"""[sinks.archive]
type = "aws_s3"
auth.access_key_id = '<<id g>>'
auth.secret_access_key = '<<secret g>>'
"""),
    File("planted/toml/block.toml", "toml-multi-line", (
        'name = "worker"\ncredentials = """\n[default]\naws_access_key_id = <<id n>>\n'
        'aws_secret_access_key = <<secret n>>\n"""\n'
    )),
    File("planted/xml/ios.plist", "plist-binary-names", r"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
	<key>S3AccessKey</key><string><<id a>></string>
	<key>S3SecretKey</key><string><<secret a>></string>
</dict></plist>
"""),
    File("planted/xml/beans.xml", "spring-constructor", r"""<bean id="credentials" class="com.amazonaws.auth.BasicAWSCredentials">
  <constructor-arg name="accessKey" value="<<id b>>"/>
  <constructor-arg name="secretKey" value="<<secret b>>"/>
</bean>
"""),
    File("planted/xml/strings.xml", "android-strings", r"""<resources>
    <string name="app_name">Photos</string>
    <string name="aws_key"><<id c>></string>
    <string name="aws_secret"><<secret c>></string>
</resources>
"""),
    File("planted/xml/escaped.xml", "xml-escaped-json", (
        "<job><config>{&quot;accessKeyId&quot;:&quot;<<id d>>&quot;,&quot;secretAccessKey&quot;:"
        "&quot;<<secret d>>&quot;}</config></job>\n"
    )),
    File("planted/xml/nlog.config", "xml-target", r"""<nlog>
  <targets>
    <target name="aws" type="AWSTarget" logGroup="web" region="us-east-1"
            accessKey="<<id e>>" secretKey="<<secret e>>" />
  </targets>
</nlog>
"""),
    File("planted/json/launch.json", "vscode-launch", r"""{
  // run with the staging key
  "version": "0.2.0",
  "configurations": [
    {
      "name": "api", "type": "node", "request": "launch",
      "env": {
        "AWS_ACCESS_KEY_ID": "<<id b>>",
        "AWS_SECRET_ACCESS_KEY": "<<secret b>>"
      }
    }
  ]
}
"""),
    File("planted/json/postman.json", "postman-auth", r"""{"info": {"name": "api", "_postman_id": "<<uuid>>"},
 "auth": {"type": "awsv4", "awsv4": [
   {"key": "secretKey", "value": "<<secret c>>", "type": "string"},
   {"key": "accessKey", "value": "<<id c>>", "type": "string"}
 ]}}
"""),
    File("planted/json/dotnet.json", "json-unicode-escapes", r"""{
  "AWS": {
    "AccessKey": "<<id b>>",
    "SecretKey": "<<secret b|unicode>>"
  },
  "Other": { "AccessKey": "<<id d>>", "SecretKey": "<<secret d|unicode>>" }
}
"""),
    File("planted/json/one-line.json", "json-one-line", (
        '{"v":3,"id":"<<uuid>>","sha":"<<hex 40>>","s3":{"k":"<<id a>>","s":"<<secret a>>"},"etag":"<<hex 32>>"}\n'
    )),
    File("planted/json/secrets.json", "json-array", r"""[
  ["prod", "<<id e>>", "<<secret e>>"],
  ["test", "<<id f>>", "<<secret f>>"]
]
"""),
    File("planted/json/sentry.json", "json-log-event", (
        '{"level":"error","extra":{"sys.argv":["run","--key","<<id g>>","--secret","<<secret g>>"]},'
        '"event_id":"<<hex 32>>"}\n'
    )),
    File("planted/yaml/folded.yaml", "yaml-folded", r"""aws:
  access_key_id: >-
    <<id a>>
  secret_access_key: >-
    <<secret a>>
"""),
    File("planted/yaml/literal.yaml", "yaml-literal", r"""files:
  - path: /home/app/.aws/credentials
    text: |
      [prod]
      aws_access_key_id     = <<id b>>
      aws_secret_access_key = <<secret b>>
"""),
    File("planted/yaml/filebeat.yml", "filebeat", r"""filebeat.inputs:
- type: aws-s3
  queue_url: https://sqs.eu-west-1.amazonaws.com/<<digits 12>>/logs
  access_key_id: '<<id c>>'
  secret_access_key: '<<secret c>>'
"""),
    File("planted/yaml/grafana.yaml", "grafana-datasource", r"""datasources:
  - name: cloudwatch
    type: cloudwatch
    jsonData: {authType: keys, defaultRegion: eu-west-1}
    secureJsonData:
      accessKey: '<<id d>>'
      secretKey: '<<secret d>>'
"""),
    File("planted/yaml/prometheus.yml", "prometheus-sd", r"""scrape_configs:
  - job_name: ec2
    ec2_sd_configs:
      - region: eu-west-1
        access_key: <<id f>>
        secret_key: <<secret f>>
"""),
    File("planted/yaml/litestream.yml", "litestream", r"""access-key-id: <<id n>>
secret-access-key: <<secret n>>
dbs: [{path: /data/app.db, replicas: [{url: "s3://acme/app"}]}]
"""),
    File("planted/dotfiles/.netrc", "netrc", r"""machine s3.amazonaws.com
  login <<id a>>
  password <<secret a>>
"""),
    File("planted/dotfiles/.passwd-s3fs", "passwd-s3fs", "<<id b>>:<<secret b>>\n", "no-newline"),
    File("planted/dotfiles/.s3curl", "s3curl", r"""%awsSecretAccessKeys = (
    acme => {
        id => '<<id c>>',
        key => '<<secret c>>',
    },
);
"""),
    File("planted/dotfiles/.npmrc", "npmrc-like", r"""registry=https://npm.example.com/
aws-access-key-id=<<id d>>
aws-secret-access-key=<<secret d>>
always-auth=true
"""),
    File("planted/dotfiles/.envrc", "direnv", r"""dotenv_if_exists
export AWS_PROFILE=
export AWS_ACCESS_KEY_ID="<<id e>>" AWS_SECRET_ACCESS_KEY="<<secret e>>"
"""),
    File("planted/dotfiles/.env.example", "env-comment", r"""# AWS_ACCESS_KEY_ID=<<id g>>
# AWS_SECRET_ACCESS_KEY=<<secret g>>
AWS_ACCESS_KEY_ID=
AWS_SECRET_ACCESS_KEY=
"""),
    File("planted/dotfiles/s3.yml", "secret-before-id", r"""production:
  secret: <<secret n>>
  bucket: acme
  key: <<id n>>
"""),
]
