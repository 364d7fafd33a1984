"""Program source: client constructors, constants, tests."""

from render import File

FILES = [
    File("planted/source/upload.py", "python-client", r'''"""Uploads finished reports."""

import logging

import boto3

log = logging.getLogger(__name__)

session = boto3.Session(
    aws_access_key_id="<<id a>>",
    aws_secret_access_key="<<secret a>>",
    region_name="eu-central-1",
)


def upload(path, key):
    """Copies one file to the bucket."""
    client = boto3.client("s3", aws_access_key_id='<<id b>>', aws_secret_access_key='<<secret b>>')
    client.upload_file(path, "reports", key)
    log.info("uploaded %s", key)
'''),
    File("planted/source/settings.py", "python-constants", r'''import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = os.environ.get("DEBUG") == "1"

# django-storages
AWS_ACCESS_KEY_ID = '<<id c>>'
AWS_SECRET_ACCESS_KEY = '<<secret c>>'
AWS_STORAGE_BUCKET_NAME = 'media'
AWS_S3_REGION_NAME = os.getenv("AWS_REGION", "us-east-1")
ALLOWED_HOSTS = ["shop.example.com"]
'''),
    File("planted/source/legacy_boto.py", "python-positional", r'''from boto.s3.connection import S3Connection
from boto.s3.key import Key


def bucket(name):
    conn = S3Connection('<<id e>>', '<<secret e>>')
    return conn.get_bucket(name, validate=False)


CREDENTIALS = {
    "key": "<<id f>>",
    "secret": "<<secret f>>",
    "client_kwargs": {"region_name": "eu-west-1"},
}
'''),
    File("planted/source/spark_job.py", "python-spark", r'''from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("daily").getOrCreate()
conf = spark.sparkContext._jsc.hadoopConfiguration()
conf.set("fs.s3a.access.key", "<<id b>>")
conf.set("fs.s3a.secret.key", "<<secret b>>")
spark.read.parquet("s3a://lake/orders").groupBy("day").count().show()
'''),
    File("planted/source/default_env.py", "python-env-default", r'''import os

KEY_ID = os.environ.get("AWS_ACCESS_KEY_ID", "<<id n>>")
SECRET = os.environ.get("AWS_SECRET_ACCESS_KEY", "<<secret n>>")
REGION = os.environ.get("AWS_REGION", "eu-west-1")
'''),
    File("planted/source/s3.js", "js-client", r'''const AWS = require('aws-sdk');

AWS.config.update({
  accessKeyId: '<<id a>>',
  secretAccessKey: '<<secret a>>',
  region: 'us-east-1',
});

const s3 = new AWS.S3({ apiVersion: '2006-03-01' });

module.exports.list = async (bucket) => {
  const page = await s3.listObjectsV2({ Bucket: bucket }).promise();
  return page.Contents.map((o) => o.Key);
};
'''),
    File("planted/source/client.ts", "ts-client", r'''import { S3Client } from "@aws-sdk/client-s3";

export const s3 = new S3Client({
  region: "eu-central-1",
  credentials: { accessKeyId: "<<id b>>", secretAccessKey: "<<secret b>>" },
});

const AWS_SECRET_KEY: string = `<<secret e>>`;
export const backup = { keyId: `<<id e>>`, secret: AWS_SECRET_KEY };
'''),
    File("planted/source/App.jsx", "js-other-names", r'''import { Storage } from "./storage";

const config = {
  bucketName: "avatars",
  dirName: "media",
  region: "us-east-1",
  accessKey: "<<id c>>",
  secretKey: "<<secret c>>",
};

export default function App() {
  return <Storage config={config} />;
}
'''),
    File("planted/source/client.go", "go-client", r'''package store

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const accessKeyID = "<<id f>>"

// New returns a client of the archive's account.
func New() *s3.Client {
	return s3.New(s3.Options{
		Region: "eu-west-1",
		Credentials: aws.NewCredentialsCache(
			credentials.NewStaticCredentialsProvider("<<id a>>", "<<secret a>>", "")),
	})
}

var secretAccessKey = "<<secret f>>"
'''),
    File("planted/source/value.go", "go-struct", r'''package store

var static = Value{
	AccessKeyID:     "<<id g>>",
	SecretAccessKey: "<<secret g>>",
}

func mc() []string {
	return []string{"alias", "set", "s3", "https://s3.amazonaws.com", "<<id b>>", `<<secret b>>`}
}
'''),
    File("planted/source/aws.rb", "ruby-client", r'''require "aws-sdk-s3"

Aws.config.update(
  region: "eu-west-1",
  credentials: Aws::Credentials.new("<<id a>>", "<<secret a>>")
)

CarrierWave.configure do |config|
  config.fog_credentials = {
    provider: "AWS",
    aws_access_key_id: "<<id b>>",
    aws_secret_access_key: "<<secret b>>"
  }
end
'''),
    File("planted/source/paperclip.rb", "ruby-hash-rocket", r'''S3_OPTIONS = {
  :bucket => ENV["S3_BUCKET"],
  :s3_credentials => {
    :access_key_id => '<<id c>>',
    :secret_access_key => '<<secret c>>'
  }
}.freeze
'''),
    File("planted/source/Uploader.java", "java-client", r'''package com.example.upload;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3ClientBuilder;

public final class Uploader {
    private static final String SECRET =
        "<<secret e>>";
    private static final String KEY_ID = "<<id e>>";

    AmazonS3 client() {
        var credentials = new BasicAWSCredentials("<<id a>>", "<<secret a>>");
        return AmazonS3ClientBuilder.standard()
            .withCredentials(new AWSStaticCredentialsProvider(credentials))
            .build();
    }
}
'''),
    File("planted/source/Sdk2.java", "java-multiline", r'''package com.example.upload;

class Sdk2 {
    S3Client client() {
        return S3Client.builder()
            .region(Region.EU_WEST_1)
            .credentialsProvider(
                StaticCredentialsProvider.create(
                    AwsBasicCredentials.create(
                        "<<id b>>",
                        "<<secret b>>")))
            .build();
    }
}
'''),
    File("planted/source/Keys.kt", "kotlin-constants", r'''object Keys {
    const val AWS_ACCESS_KEY = "<<id f>>"
    const val AWS_SECRET_ACCESS_KEY = "<<secret f>>"
    const val BUCKET = "mobile-uploads"
}
'''),
    File("planted/source/main.rs", "rust-client", r'''use aws_sdk_s3::config::{Credentials, Region};

const SECRET_ACCESS_KEY: &str = "<<secret c>>";

fn credentials() -> Credentials {
    Credentials::new("<<id c>>", SECRET_ACCESS_KEY, None, None, "static")
}

fn archive() -> rusoto_credential::StaticProvider {
    StaticProvider::new_minimal("<<id a>>".to_owned(), "<<secret a>>".to_owned())
}
'''),
    File("planted/source/filesystems.php", "php-array", r'''<?php

return [
    'default' => env('FILESYSTEM_DISK', 'local'),
    'disks' => [
        's3' => [
            'driver' => 's3',
            'key'    => '<<id b>>',
            'secret' => '<<secret b>>',
            'region' => 'eu-central-1',
            'bucket' => 'shop',
        ],
    ],
];
'''),
    File("planted/source/wp-config.php", "php-define", r'''<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_HOST', 'localhost' );
define( 'AS3CF_AWS_ACCESS_KEY_ID', '<<id e>>' );
define( 'AS3CF_AWS_SECRET_ACCESS_KEY', '<<secret e>>' );
$client = new S3Client(['credentials' => new Credentials("<<id a>>", "<<secret a>>")]);
$table_prefix = 'wp_';
'''),
    File("planted/source/Storage.cs", "csharp-client", r'''using Amazon.Runtime;
using Amazon.S3;

public class Storage
{
    private readonly IAmazonS3 _client = new AmazonS3Client(
        new BasicAWSCredentials("<<id c>>", "<<secret c>>"),
        Amazon.RegionEndpoint.EUWest1);
}
'''),
    File("planted/source/appsettings.json", "csharp-settings", r'''{
  "Logging": { "LogLevel": { "Default": "Warning" } },
  "AWS": {
    "Region": "eu-west-1",
    "AccessKey": "<<id f>>",
    "SecretKey": "<<secret f>>"
  }
}
''', "bom-crlf"),
    File("planted/source/uploader.c", "c-defines", r'''/* Firmware uploader. */
#include <stdio.h>
#define AWS_ACCESS_KEY_ID     "<<id n>>"
#define AWS_SECRET_ACCESS_KEY "<<secret n>>"
#define BUCKET                "firmware"

static const char s3_secret_key[] = "<<secret b>>";
'''),
    File("planted/source/secret_far.py", "secret-alone", r'''"""The ID is asked for on the command line, the secret is not."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--key-id", required=True)
options = parser.parse_args()

aws_secret_access_key = "<<secret a>>"
'''),
    File("planted/source/secret_names.js", "secret-alone", r'''// The IDs are looked up by team; see teams.json.
const AWS_SECRET_KEY = "<<secret a>>";
export const search = { SecretAccessKey: '<<secret b>>' };
export const mail = {
  "secretAccessKey": "<<secret c>>",
};
settings.s3_secret_key = "<<secret e>>";
'''),
    File("planted/source/near.py", "secret-near-id", r'''TEAM = "billing"
KEY_ID = "<<id b>>"
OWNER = "jo@example.com"
SINCE = "2022-07-01"
AWS_SECRET_KEY = "<<secret b>>"
NOTE = "renewed with the audit of 2022"
'''),
    File("planted/source/store.ex", "elixir-config", r'''import Config

config :ex_aws,
  access_key_id: "<<id c>>",
  secret_access_key: "<<secret c>>",
  region: "eu-west-1",
  json_codec: Jason
'''),
    File("planted/source/Main.scala", "scala-client", r'''object Main extends App {
  val hadoop = spark.sparkContext.hadoopConfiguration
  hadoop.set("fs.s3n.awsAccessKeyId", "<<id a>>")
  hadoop.set("fs.s3n.awsSecretAccessKey", "<<secret a>>")
  spark.read.json("s3n://events/2023/*").show()
}
'''),
    File("planted/source/Uploader.swift", "swift-client", r'''import AWSS3

let provider = AWSStaticCredentialsProvider(
    accessKey: "<<id e>>", secretKey: "<<secret e>>")
let configuration = AWSServiceConfiguration(region: .EUWest1, credentialsProvider: provider)
'''),
    File("planted/source/report.R", "r-setenv", r'''library(aws.s3)
Sys.setenv("AWS_ACCESS_KEY_ID" = "<<id b>>",
           "AWS_SECRET_ACCESS_KEY" = "<<secret b>>",
           "AWS_DEFAULT_REGION" = "eu-west-1")
orders <- s3read_using(read.csv, object = "s3://lake/orders.csv")
'''),
]
