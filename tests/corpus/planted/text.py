"""Prose, logs, dumps, patches, commands and URLs."""

from render import File

FILES = [
    File("planted/curl/requests.sh", "curl", r"""#!/bin/sh
# Lists the bucket by hand.
curl --silent --aws-sigv4 "aws:amz:us-east-1:s3" \
  --user "<<id a>>:<<secret a>>" \
  "https://acme-logs.s3.amazonaws.com/?list-type=2"

curl -s --aws-sigv4 aws:amz:eu-west-1:sqs -u '<<id b>>:<<secret b>>' \
  'https://sqs.eu-west-1.amazonaws.com/?Action=ListQueues'
"""),
    File("planted/curl/mc.sh", "mc-alias", r"""#!/bin/sh
mc alias set archive https://s3.amazonaws.com <<id c>> <<secret c>>
mc mirror --overwrite ./out archive/acme-archive
s3cmd --access_key=<<id e>> --secret_key=<<secret e>> ls s3://acme-archive
"""),
    File("planted/urls/sources.txt", "url", r"""# one source on each line
https://mirror.example.com/ubuntu
s3://<<id a>>:<<secret a>>@acme-lake/raw/
s3n://<<id e>>:<<secret e>>@acme-lake/old/
"""),
    File("planted/urls/celery.py", "url-percent", r'''"""Queue settings."""

broker_url = "sqs://<<id b>>:<<secret b|url>>@"
result_backend = "redis://cache:6379/1"
broker_transport_options = {"region": "eu-west-1", "visibility_timeout": 3600}
'''),
    File("planted/logs/worker.log", "log", r"""2024-02-11 09:12:44,101 INFO  [main] worker: starting, revision <<hex 40>>
2024-02-11 09:12:44,187 DEBUG [main] config: {bucket=exports, access_key=<<id a>>, secret_key=<<secret a>>, region=eu-west-1}
2024-02-11 09:12:45,020 INFO  [main] worker: queue https://sqs.eu-west-1.amazonaws.com/<<digits 12>>/exports
2024-02-11 09:12:45,023 DEBUG [pool-1] request <<uuid>> took 18 ms
"""),
    File("planted/logs/build.log", "log", r"""+ docker run --rm -e AWS_ACCESS_KEY_ID=<<id b>> -e AWS_SECRET_ACCESS_KEY=<<secret b>> acme/publish:3
Status: Downloaded newer image for acme/publish:3
sha256:<<hex 64>>
upload: dist/index.html to s3://acme-site/index.html
+ echo done
done
"""),
    File("planted/logs/env.log", "log-env", r"""Environment of step "publish":
  HOME                    /home/runner
  AWS_REGION              eu-central-1
  AWS_ACCESS_KEY_ID       <<id c>>
  AWS_SECRET_ACCESS_KEY   <<secret c>>
  GITHUB_SHA              <<hex 40>>
exit status 0
"""),
    File("planted/logs/trace.log", "log-json-message", (
        r'{"time":"2024-06-01T00:00:00Z","log":"created key for ci: {\"AccessKeyId\":\"<<id e>>\",'
        r'\"SecretAccessKey\":\"<<secret e>>\",\"Status\":\"Active\"}\n","stream":"stdout"}' "\n"
        r'{"time":"2024-06-01T00:00:01Z","log":"done\n","stream":"stdout"}' "\n"
    )),
    File("planted/docs/README.md", "markdown", r"""# Exporter

Copies the nightly dump to S3.

## Setting up

1. Install the tool: `pip install exporter`
2. Put these into your `.env`:

   ```
   AWS_ACCESS_KEY_ID=<<id a>>
   AWS_SECRET_ACCESS_KEY=<<secret a>>
   ```

3. Run `exporter --once`.

The staging account uses key `<<id b>>` with secret `<<secret b>>`.
"""),
    File("planted/docs/onboarding.md", "markdown-table", r"""# Onboarding

| account | access key ID | secret access key |
|---|---|---|
| billing | <<id c>> | <<secret c>> |
| search | `<<id f>>` | `<<secret f>>` |

Ask Ines when one of them stops working.
"""),
    File("planted/docs/setup.rst", "rst", r"""Setting up
==========

.. code-block:: ini

   [default]
   aws_access_key_id = <<id e>>
   aws_secret_access_key = <<secret e>>

Then run ``make sync``.
"""),
    File("planted/docs/runbook.html", "html", r"""<!doctype html>
<title>Runbook</title>
<h1>Restore</h1>
<dl>
  <dt>Access key ID</dt><dd><code><<id b>></code></dd>
  <dt>Secret access key</dt><dd><code><<secret b>></code></dd>
</dl>
<p>Then restore the newest dump.</p>
"""),
    File("planted/docs/mail.txt", "prose", r"""Hi Jo,

here is the access for the new bucket.

Access key ID: <<id n>>
Secret access key: <<secret n>>

The region is Ireland. Please do not pass it on.

Ines
"""),
    File("planted/sql/dump.sql", "sql-insert", r"""-- MySQL dump 10.13
DROP TABLE IF EXISTS `settings`;
CREATE TABLE `settings` (
  `id` int NOT NULL AUTO_INCREMENT,
  `name` varchar(64) NOT NULL,
  `value` text,
  PRIMARY KEY (`id`)
);
INSERT INTO `settings` VALUES (1,'site_name','Shop');
INSERT INTO `settings` VALUES (2,'aws_access_key_id','<<id a>>'),(3,'aws_secret_access_key','<<secret a>>');
INSERT INTO `storages` VALUES (1,'s3','eu-west-1','<<id b>>','<<secret b>>',1,'2021-03-04 10:00:00');
UNLOCK TABLES;
"""),
    File("planted/sql/wp_options.sql", "sql-serialized", r"""INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES
('siteurl', 'https://blog.example.com', 'yes'),
('tantan_wordpress_s3', 'a:3:{s:13:"access-key-id";s:20:"<<id c>>";s:17:"secret-access-key";s:40:"<<secret c>>";s:6:"bucket";s:5:"media";}', 'yes'),
('blogname', 'Blog', 'yes');
"""),
    File("planted/sql/redshift.sql", "sql-copy", r"""copy orders from 's3://lake/orders/'
credentials 'aws_access_key_id=<<id f>>;aws_secret_access_key=<<secret f>>'
delimiter '|' gzip;

COPY INTO events FROM 's3://lake/events/'
  CREDENTIALS = (AWS_KEY_ID = '<<id e>>' AWS_SECRET_KEY = '<<secret e>>')
  FILE_FORMAT = (TYPE = JSON);
"""),
    File("planted/sql/pg.sql", "sql-copy-rows", (
        "COPY public.accounts (id, name, key_id, secret, created) FROM stdin;\n"
        "1\tbilling\t<<id a>>\t<<secret a>>\t2020-01-01\n"
        "2\tsearch\t\\N\t\\N\t2020-02-01\n"
        "\\.\n"
    )),
    File("planted/patches/remove-keys.patch", "patch", r"""From <<hex 40>> Mon Sep 17 00:00:00 2001
From: Jo <jo@example.com>
Date: Tue, 5 Mar 2024 11:02:13 +0100
Subject: [PATCH] Read the credentials from the environment

---
 deploy.sh | 4 ++--
 1 file changed, 2 insertions(+), 2 deletions(-)

diff --git a/deploy.sh b/deploy.sh
index <<hex 7>>..<<hex 7>> 100755
--- a/deploy.sh
+++ b/deploy.sh
@@ -3,7 +3,7 @@ set -e

 cd dist
-export AWS_ACCESS_KEY_ID=<<id a>>
-export AWS_SECRET_ACCESS_KEY=<<secret a>>
+export AWS_ACCESS_KEY_ID=$DEPLOY_ID
+export AWS_SECRET_ACCESS_KEY=$DEPLOY_SECRET
 aws s3 sync . s3://acme-site
--
2.43.0
"""),
    File("planted/patches/add-csv.diff", "diff", r"""diff --git a/keys/accessKeys.csv b/keys/accessKeys.csv
new file mode 100644
index 0000000..<<hex 7>>
--- /dev/null
+++ b/keys/accessKeys.csv
@@ -0,0 +1,2 @@
+Access key ID,Secret access key
+<<id b>>,<<secret b>>
diff --git a/conf/app.ini b/conf/app.ini
index <<hex 7>>..<<hex 7>> 100644
--- a/conf/app.ini
+++ b/conf/app.ini
@@ -1,2 +1,4 @@
 [s3]
+access_key = <<id e>>
+secret_key = <<secret e>>
"""),
]
