"""Exports, logs, mails and lone IDs."""

from render import File

FILES = [
    File("planted/csv/new_user_credentials.csv", "csv-new-user", (
        "User name,Password,Access key ID,Secret access key,Console login link\n"
        "ci-deploy,,<<id a>>,<<secret a>>,https://<<digits 12>>.signin.aws.amazon.com/console\n"
    ), "bom-crlf"),
    File("planted/csv/semicolons.csv", "csv-semicolons", (
        'user;"key";"secret"\nci;"<<id b>>";"<<secret b>>"\nweb;"<<id c>>";"<<secret c>>"\n'
    ), "crlf"),
    File("planted/csv/inventory.tsv", "tsv-wide", (
        "owner\tcommit\tkey\tsecret\tetag\n"
        "ops\t<<hex 40>>\t<<id d>>\t<<secret d>>\t<<hex 32>>\n"
        "web\t<<hex 40>>\t<<id e>>\t<<secret e>>\t<<hex 32>>\n"
    )),
    File("planted/mail/handover.eml", "mail", r"""From: ops@example.com
Subject: the new key

Hi,

Access key: <<id a>>
Secret: <<secret a>>

Please do not forward.
"""),
    File("planted/mail/slack.json", "chat-export", (
        '[{"type":"message","user":"U02","text":"here you go:\\n```aws_access_key_id = <<id b>>\\n'
        'aws_secret_access_key = <<secret b>>```","ts":"1700000000.000100"}]\n'
    )),
    File("planted/mail/note.md", "markdown-list", r"""# Accounts

* production
  * key `<<id c>>`
  * secret `<<secret c>>`
* staging: ask Jo
"""),
    File("planted/mail/issue.html", "html-definition", r"""<dl>
  <dt>Access key ID</dt><dd><code><<id d>></code></dd>
  <dt>Secret access key</dt><dd><code><<secret d>></code></dd>
</dl>
"""),
    File("planted/mail/table.adoc", "asciidoc-table", r"""|===
|Name |Key |Secret
|ci |<<id e>> |<<secret e>>
|===
"""),
    File("planted/mail/manual.tex", "latex", r"""\begin{verbatim}
AWSAccessKeyId=<<id f>>
AWSSecretKey=<<secret f>>
\end{verbatim}
"""),
    File("planted/logs/boot.log", "log-timestamps", r"""2026-02-01 10:00:00.001 DEBUG Settings - s3.accessKey -> <<id g>>
2026-02-01 10:00:00.001 DEBUG Settings - s3.secretKey -> <<secret g>>
2026-02-01 10:00:00.004 INFO  Main - ready
"""),
    File("planted/logs/traceback.txt", "log-traceback", r"""botocore.exceptions.ClientError: InvalidAccessKeyId
  kwargs = {'aws_access_key_id': '<<id a>>', 'aws_secret_access_key': '<<secret a>>'}
  self = <S3 object at 0x7f3c5a2b9d90>
"""),
    File("planted/logs/ansi.log", "log-colours", (
        "\x1b[32mAWS_ACCESS_KEY_ID\x1b[0m=\x1b[33m<<id b>>\x1b[0m\n"
        "\x1b[32mAWS_SECRET_ACCESS_KEY\x1b[0m=\x1b[33m<<secret b>>\x1b[0m\n"
    )),
    File("planted/sql/settings.sql", "sql-key-value", r"""INSERT INTO settings (name, value) VALUES
  ('s3_access_key', '<<id c>>'),
  ('s3_secret_key', '<<secret c>>');
"""),
    File("planted/sql/copy.sql", "snowflake-copy", r"""COPY INTO events FROM 's3://acme/events/'
CREDENTIALS = (AWS_KEY_ID = '<<id d>>' AWS_SECRET_KEY = '<<secret d>>')
FILE_FORMAT = (TYPE = JSON);
"""),
    File("planted/sql/unload.sql", "redshift-credentials", (
        "UNLOAD ('select 1') TO 's3://acme/u' CREDENTIALS "
        "'aws_access_key_id=<<id e>>;aws_secret_access_key=<<secret e>>' GZIP;\n"
    )),
    File("planted/patches/removed.diff", "diff-removed", r"""diff --git a/.env b/.env
index <<hex 7>>..<<hex 7>> 100644
--- a/.env
+++ b/.env
@@ -1,3 +1,1 @@
-AWS_ACCESS_KEY_ID=<<id f>>
-AWS_SECRET_ACCESS_KEY=<<secret f>>
 PORT=80
"""),
    File("planted/patches/mbox.patch", "mbox-patch", r"""From <<hex 40>> Mon Sep 17 00:00:00 2001
From: Jo <jo@example.com>
Subject: [PATCH] use the new key

+    access_key: "<<id n>>"
+    secret_key: "<<secret n>>"
--
2.43.0
"""),
    File("planted/lone/presigned.txt", "id-presigned", (
        "https://acme.s3.amazonaws.com/a.zip?AWSAccessKeyId=<<id a>>&Signature=<<alnum 27>>%3D&Expires=1700000000\n"
        "https://acme.s3.amazonaws.com/a.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=<<id d>>"
        "%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=<<hex 64>>\n"
    )),
    File("planted/lone/form.html", "id-post-form", r"""<form action="https://acme.s3.amazonaws.com/" method="post" enctype="multipart/form-data">
  <input type="hidden" name="AWSAccessKeyId" value="<<id b>>">
  <input type="hidden" name="policy" value="<<text64 {"expiration":"2026-12-01T12:00:00.000Z","conditions":[]}>>">
  <input type="hidden" name="signature" value="<<b64 27>>=">
</form>
"""),
    File("planted/lone/commit-beside.yaml", "id-beside-hashes", r"""owner: ops
access_key_id: <<id c>>
revision: <<hex 40>>
image: sha256:<<hex 64>>
integrity: sha512-<<b64 86>>==
request: <<uuid>>
"""),
    File("planted/lone/vault.md", "id-and-reference", r"""The key <<id e>> is rotated by `make rotate`; its secret is in
`vault kv get -field=secret_access_key secret/data/teams/platform/aws/deployer` since May.
"""),
    File("planted/lone/smtp.conf", "id-smtp", r"""relayhost = [email-smtp.eu-west-1.amazonaws.com]:587
smtp_user = <<id g>>
smtp_password = ${SMTP_PASSWORD}
"""),
    File("planted/lone/list.txt", "id-table", r"""+-----------------------+----------+
|      AccessKeyId      | Status   |
+-----------------------+----------+
|  <<id a>> | Active   |
|  <<id f>> | Inactive |
+-----------------------+----------+
"""),
    File("planted/lone/regex.tf", "id-tag", r"""resource "aws_iam_user" "ci" {
  name = "ci"
  tags = { "<<id n>>" = "laptop of Jo" }
}
"""),
    File("planted/lone/export.env", "secret-without-id", r"""AWS_PROFILE=default
AWS_SECRET_ACCESS_KEY="<<secret a>>"
"""),
]
