"""Constants and clients in program source."""

from render import File

FILES = [
    File("planted/source/consts.go", "go-const-block", r"""package storage

const (
	bucket    = "acme"
	accessKey = "<<id a>>"
	secretKey = "<<secret a>>"
)
"""),
    File("planted/source/provider.go", "go-static-provider", r"""cfg, err := config.LoadDefaultConfig(ctx,
	config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(
		"<<id b>>",
		"<<secret b>>",
		"",
	)))
"""),
    File("planted/source/store_test.go", "go-table-test", r"""var cases = []struct{ id, key string }{
	{"<<id c>>", "<<secret c>>"},
	{"<<id e>>", `<<secret e>>`},
}
"""),
    File("planted/source/config.py", "python-class", r'''class Production(Base):
    AWS_ACCESS_KEY: str = "<<id d>>"
    AWS_SECRET: str = "<<secret d>>"
    S3_BUCKET = "acme"
'''),
    File("planted/source/environ.py", "python-environ", r'''import os

os.environ.setdefault("AWS_ACCESS_KEY_ID", "<<id f>>")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "<<secret f>>")
'''),
    File("planted/source/filesystem.py", "python-s3fs", r'''fs = s3fs.S3FileSystem(key="<<id g>>", secret="<<secret g>>")
frame = pandas.read_csv("s3://acme/x.csv", storage_options={
    "key": "<<id n>>",
    "secret": "<<secret n>>",
})
'''),
    File("planted/source/fstring.py", "python-url", r'''BROKER = "sqs://<<id a>>:<<secret a|url>>@sqs.eu-west-1.amazonaws.com//"
'''),
    File("planted/source/Keys.java", "java-static-final", r"""final class Keys {
    private static final String ID = "<<id b>>";
    private static final String SECRET = "<<secret b>>";
}
"""),
    File("planted/source/Client.java", "java-builder", r"""S3Client client = S3Client.builder()
    .region(Region.EU_WEST_1)
    .credentialsProvider(StaticCredentialsProvider.create(
        AwsBasicCredentials.builder()
            .accessKeyId("<<id c>>")
            .secretAccessKey("<<secret c>>")
            .build()))
    .build();
"""),
    File("planted/source/aws.js", "js-config-update", r"""AWS.config.update({
  region: 'us-east-1',
  credentials: new AWS.Credentials('<<id d>>', '<<secret d>>')
});
"""),
    File("planted/source/s3.mjs", "js-client-v3", r"""export const s3 = new S3Client({ region: "eu-west-1",
  credentials: { accessKeyId: "<<id e>>", secretAccessKey: "<<secret e>>" } });
"""),
    File("planted/source/env.ts", "ts-as-const", r"""export const env = {
  awsKey: `<<id f>>`,
  awsSecret: `<<secret f>>`,
} as const;
"""),
    File("planted/source/process.js", "js-or-default", r"""const id = process.env.AWS_ACCESS_KEY_ID || '<<id a>>';
const key = process.env.AWS_SECRET_ACCESS_KEY || '<<secret a>>';
"""),
    File("planted/source/client.rs", "rust-credentials", r"""let provider = aws_credential_types::Credentials::new(
    "<<id b>>",
    "<<secret b>>",
    None, None, "static",
);
"""),
    File("planted/source/client.cpp", "cpp-credentials", r"""Aws::Auth::AWSCredentials credentials("<<id c>>",
                                      "<<secret c>>");
"""),
    File("planted/source/upload.pl", "perl-hash", r"""my $s3 = Net::Amazon::S3->new({
    aws_access_key_id     => '<<id d>>',
    aws_secret_access_key => '<<secret d>>',
    retry                 => 1,
});
"""),
    File("planted/source/core.clj", "clojure-map", r"""(def cred {:access-key "<<id e>>"
           :secret-key "<<secret e>>"
           :endpoint   "eu-west-1"})
"""),
    File("planted/source/aws.lua", "lua-table", r"""local aws = { key = "<<id f>>", secret = [[<<secret f>>]] }
"""),
    File("planted/source/main.dart", "dart-named", r"""final credentials = AwsClientCredentials(
    accessKey: '<<id g>>', secretKey: '<<secret g>>');
"""),
    File("planted/source/config.php", "php-nextcloud", r"""<?php
$CONFIG = [
  'objectstore' => [
    'class' => '\\OC\\Files\\ObjectStore\\S3',
    'arguments' => ['bucket' => 'cloud', 'key' => '<<id n>>', 'secret' => '<<secret n>>', 'use_ssl' => true],
  ],
];
"""),
    File("planted/source/Module.bas", "vba-const", (
        'Private Const AWS_ID As String = "<<id a>>"\nPrivate Const AWS_SECRET As String = "<<secret a>>"\n'
    ), "crlf"),
    File("planted/source/Keys.m", "objective-c", r"""static NSString *const kAWSAccessKey = @"<<id b>>";
static NSString *const kAWSSecretKey = @"<<secret b>>";
"""),
    File("planted/source/comment.c", "commented-out", r"""/*
 * old account, do not use:
 *   <<id c>>
 *   <<secret c>>
 */
"""),
    File("planted/source/storage.nix", "nix", r"""services.restic.backups.nas.environment = {
  AWS_ACCESS_KEY_ID = "<<id d>>";
  AWS_SECRET_ACCESS_KEY = "<<secret d>>";
};
"""),
    File("planted/source/defaults.hs", "haskell-record", r"""creds = Credentials { accessKey = "<<id e>>", secretKey = "<<secret e>>" }
"""),
    File("planted/notebooks/magic.ipynb", "notebook-magic", r"""{
 "cells": [
  {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": [
   "%env AWS_ACCESS_KEY_ID=<<id a>>\n",
   "%env AWS_SECRET_ACCESS_KEY=<<secret a>>\n",
   "!aws s3 ls"
  ]}
 ],
 "metadata": {}, "nbformat": 4, "nbformat_minor": 5
}
"""),
    File("planted/notebooks/environ.ipynb", "notebook-environ", r"""{"cells": [{"cell_type": "code", "source": [
  "import os\n",
  "os.environ[\"AWS_ACCESS_KEY_ID\"] = \"<<id b>>\"\n",
  "os.environ[\"AWS_SECRET_ACCESS_KEY\"] = \"<<secret b>>\"\n"],
  "outputs": [{"data": {"image/png": "iVBORw0KGgo<<b64 400>>"}}]}]}
"""),
    File("planted/notebooks/printed.ipynb", "notebook-repr", r"""{"cells": [{"outputs": [{"text": [
  "{'UserName': 'ci', 'AccessKeyId': '<<id c>>',\n",
  " 'Status': 'Active', 'SecretAccessKey': '<<secret c>>'}\n"]}]}]}
"""),
]
