"""Odd files: encodings, line ends, sizes, spacing, spelling."""

from keys import LOWER, Stream
from render import File

# A line of ordinary bundled code, about 100 characters.
STATEMENT = 'function {name}(e,t){{var n=t||{{}};return e.push({{id:{number},kind:"{name}"}}),n.{name}=e,n}};'


def _bundle(path, target):
    """About 300 kB of one line, with a pair two thirds of the way along."""
    stream = Stream("bundle", path)
    parts = []
    for number in range(3600):
        parts.append(STATEMENT.format(name=stream.text(6, LOWER), number=number))
        if number == 2400:
            parts.append(target)
    return "!function(){" + "".join(parts) + "}();\n"


def _long_log(path, lines, target):
    """A log of many lines with a few telling ones near the end."""
    stream = Stream("log", path)
    words = [stream.text(3 + stream.below(7), LOWER) for _ in range(400)]
    parts = []
    for number in range(lines):
        pick = stream.bytes(4)
        said = " ".join(words[value + (number % 145)] for value in pick)
        parts.append(f"2024-01-{number % 28 + 1:02d}T00:00:00Z INFO  request {number:07d} {said} ok\n")
        if number == lines - 200:
            parts.append(target)
    return "".join(parts)


PAIR_IN_CODE = 'var c={accessKeyId:"<<id b>>",secretAccessKey:"<<secret b>>",region:"us-east-1"};'
LONE_IN_CODE = 'var k="<<id c>>";'
PAIR_IN_LOG = (
    "2024-01-28T00:00:00Z DEBUG client AWS_ACCESS_KEY_ID=<<id a>>\n"
    "2024-01-28T00:00:00Z DEBUG client AWS_SECRET_ACCESS_KEY=<<secret a>>\n"
)

FILES = [
    File("planted/odd/bom.env", "utf8-bom", (
        "AWS_ACCESS_KEY_ID=<<id a>>\nAWS_SECRET_ACCESS_KEY=<<secret a>>\nAWS_REGION=eu-west-1\n"
    ), "bom"),
    File("planted/odd/bom-first.txt", "utf8-bom", (
        "<<id c>>\n<<secret c>>\nthe key of the old exporter\n"
    ), "bom"),
    File("planted/odd/crlf.ini", "crlf", (
        "[s3]\nbucket=media\naccess_key_id=<<id b>>\nsecret_access_key=<<secret b>>\n\n[mail]\nhost=localhost\n"
    ), "crlf"),
    File("planted/odd/crlf.yaml", "crlf", (
        "s3:\n  accessKeyId: <<id e>>\n  secretAccessKey: <<secret e>>\n"
    ), "crlf"),
    File("planted/odd/export.txt", "utf-16le", (
        "Name                           Value\n"
        "----                           -----\n"
        "AWS_ACCESS_KEY_ID              <<id a>>\n"
        "AWS_SECRET_ACCESS_KEY          <<secret a>>\n"
        "AWS_REGION                     eu-west-1\n"
    ), "utf-16le"),
    File("planted/odd/keys.reg", "utf-16le", (
        "Windows Registry Editor Version 5.00\n\n"
        "[HKEY_CURRENT_USER\\Environment]\n"
        '"AWS_ACCESS_KEY_ID"="<<id f>>"\n'
        '"AWS_SECRET_ACCESS_KEY"="<<secret f>>"\n'
    ), "utf-16le"),
    File("planted/odd/umlauts.conf", "latin-1", (
        "# Zug\u00e4nge f\u00fcr die \u00dcbertragung\n"
        "access_key_id = <<id n>>\nsecret_access_key = <<secret n>>\nort = K\u00f6ln\n"
    ), "latin-1"),
    File("planted/odd/japanese.md", "utf-8-text", r"""# 設定

バケット「資料」の鍵です。

アクセスキー：<<id b>>、シークレット：<<secret b>>。
"""),
    File("planted/odd/bundle.min.js", "long-line", _bundle("bundle", PAIR_IN_CODE)),
    File("planted/odd/vendor.min.js", "long-line-id", _bundle("vendor", LONE_IN_CODE)),
    File("planted/odd/service.log", "large-file", _long_log("service", 76000, PAIR_IN_LOG)),
    File("planted/odd/no-newline.env", "no-final-newline", (
        "AWS_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=<<id c>>\nAWS_SECRET_ACCESS_KEY=<<secret c>>\n"
    ), "no-newline"),
    File("planted/odd/id-only.txt", "no-final-newline", "<<id e>>\n", "no-newline"),
    File("planted/odd/spaces.py", "spaces-in-quotes", r'''"""Copied out of a chat."""

KEYS = {
    "aws_access_key_id": " <<id a>> ",
    "aws_secret_access_key": "  <<secret a>>  ",
}
s3_key = ' <<id b>>'
s3_secret_key = '<<secret b>> '
'''),
    File("planted/odd/lower.yaml", "lower-case-names", r"""upload:
  awsaccesskeyid: <<id c>>
  awssecretaccesskey: <<secret c>>
download:
  aws_access_key: <<id e>>
  aws_secret_key: <<secret e>>
"""),
    File("planted/odd/kebab.yaml", "kebab-case-names", r"""spring:
  aws-access-key-id: <<id a>>
  aws-secret-access-key: <<secret a>>
camel:
  access-key: '<<id b>>'
  secret-key: '<<secret b>>'
"""),
    File("planted/odd/columns.txt", "aligned-columns", r"""user        key                    secret                                     state
ci          <<id f>>   <<secret f>>   active
exporter    <<id a>>   <<secret a>>   inactive
"""),
    File("planted/odd/assignments.txt", "operators", r"""aws_secret_access_key := "<<secret a>>"
aws_secret_access_key ?= <<secret b>>
aws_secret_access_key == '<<secret c>>'
--aws-secret-access-key <<secret e>>
--secret-access-key=<<secret f>>
aws_secret_access_key => "<<secret g>>"
"aws_secret_access_key" : "<<secret n>>",
"""),
    File("planted/odd/noext", "no-extension", r"""machine s3.amazonaws.com
login <<id b>>
password <<secret b>>
"""),
]
