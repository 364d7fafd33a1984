"""INI files and the other line formats of tools that talk to S3."""

from render import File

FILES = [
    File("planted/aws/.aws/credentials", "aws-credentials", r"""[default]
aws_access_key_id = <<id a>>
aws_secret_access_key = <<secret a>>

[staging]
aws_access_key_id=<<id b>>
aws_secret_access_key=<<secret b>>
region=eu-west-1

# left over from the old account
[legacy]
aws_access_key_id     = <<id c>>
aws_secret_access_key = <<secret c>>

[mfa]
aws_access_key_id = <<id d>>
aws_secret_access_key = <<secret d>>
aws_session_token = FwoGZXIvYXdzE<<alnum 200>>
"""),
    File("planted/aws/.aws/config", "aws-config", r"""[default]
region = eu-central-1
output = json

[profile ci]
role_arn = arn:aws:iam::<<digits 12>>:role/ci
source_profile = default

[profile archive]
region = us-east-2
aws_access_key_id = <<id n>>
aws_secret_access_key = <<secret n>>
"""),
    File("planted/s3cmd/.s3cfg", "s3cfg", r"""[default]
access_key = <<id b>>
access_token =
add_encoding_exts =
bucket_location = EU
check_ssl_certificate = True
encrypt = False
gpg_command = /usr/bin/gpg
guess_mime_type = True
host_base = s3.amazonaws.com
host_bucket = %(bucket)s.s3.amazonaws.com
multipart_chunk_size_mb = 15
secret_key = <<secret b>>
send_chunk = 65536
signature_v2 = False
use_https = True
"""),
    File("planted/s3cmd/s3cfg.archive", "s3cfg", r"""[default]
host_base = s3.eu-west-1.amazonaws.com
access_key = <<id e>>
secret_key = <<secret e>>
use_https = True
"""),
    File("planted/rclone/rclone.conf", "rclone", r"""[drive]
type = drive
scope = drive.readonly
team_drive =

[s3-media]
type = s3
provider = AWS
env_auth = false
access_key_id = <<id f>>
secret_access_key = <<secret f>>
region = eu-west-1
acl = private

[s3-cold]
type = s3
provider = AWS
access_key_id = <<id c>>
secret_access_key = <<secret c>>
storage_class = GLACIER
"""),
    File("planted/boto/boto.cfg", "boto", r"""[Boto]
debug = 0
num_retries = 10

[Credentials]
aws_access_key_id = <<id a>>
aws_secret_access_key = <<secret a>>

[GSUtil]
parallel_composite_upload_threshold = 150M
"""),
    File("planted/boto/setup.cfg", "ini-other-names", r"""[uploader]
bucket = artefacts
s3_access_key = <<id g>>
s3_secret_key = <<secret g>>

[mail]
host = localhost
port = 25
"""),
    File("planted/properties/application.properties", "properties", r"""# Spring Boot
server.port=8080
spring.datasource.url=jdbc:postgresql://db/app
spring.cloud.aws.region.static=eu-central-1
spring.cloud.aws.credentials.access-key=<<id b>>
spring.cloud.aws.credentials.secret-key=<<secret b>>
management.endpoints.web.exposure.include=health,info
"""),
    File("planted/properties/AwsCredentials.properties", "properties", r"""#Insert your AWS credentials
#Tue Mar 14 09:21:55 CET 2023
accessKey = <<id c>>
secretKey = <<secret c>>
"""),
    File("planted/properties/connect-s3.properties", "properties", r"""name=s3-sink
connector.class=io.confluent.connect.s3.S3SinkConnector
topics=orders,payments
s3.bucket.name=lake-raw
aws.access.key.id=<<id a>>
aws.secret.access.key=<<secret a>>
flush.size=1000
"""),
    File("planted/properties/logstash.conf", "logstash", r"""input { beats { port => 5044 } }
output {
  s3 {
    region => "us-east-1"
    bucket => "logs-archive"
    access_key_id => "<<id e>>"
    secret_access_key => "<<secret e>>"
    size_file => 10485760
  }
}
"""),
    File("planted/properties/fluent.conf", "fluentd", r"""<match app.**>
  @type s3
  aws_key_id <<id n>>
  aws_sec_key <<secret n>>
  s3_bucket app-logs
  s3_region eu-west-1
  <buffer tag,time>
    timekey 3600
  </buffer>
</match>
"""),
]
