"""Encodings, ends of lines, long lines, Base64."""

from render import File

CODE = "!function(e,t){var n=e.exports={};n.d=function(e,t){return Object.defineProperty(e,t)}}(this);"

FILES = [
    File("planted/odd/utf16be.txt", "utf-16be", (
        "[default]\naws_access_key_id = <<id a>>\naws_secret_access_key = <<secret a>>\n"
    ), "utf-16be"),
    File("planted/odd/transcript.txt", "utf-16le-log", (
        "**********************\nWindows PowerShell transcript start\n"
        "PS C:\\> $env:AWS_ACCESS_KEY_ID='<<id b>>'\nPS C:\\> $env:AWS_SECRET_ACCESS_KEY='<<secret b>>'\n"
    ), "utf-16le"),
    File("planted/odd/bom-crlf.yaml", "bom-crlf", (
        "accessKeyId: <<id c>>\nsecretAccessKey: <<secret c>>\n"
    ), "bom-crlf"),
    File("planted/odd/min.js", "minified-js", CODE * 900 + (
        'e.exports={s3:{accessKeyId:"<<id e>>",secretAccessKey:"<<secret e>>"}};'
    ) + CODE * 300 + "\n"),
    File("planted/odd/long.json", "long-json-line", (
        '{"blob":"' + "<<b64 4000>>" * 12 + '","access_key_id":"<<id f>>","secret_access_key":"<<secret f>>","more":"'
        + "<<b64 4000>>" * 4 + '"}\n'
    )),
    File("planted/odd/cyrillic.env", "cyrillic", (
        "# \u043a\u043b\u044e\u0447 \u0434\u043b\u044f \u0441\u0431\u043e\u0440\u043a\u0438\n"
        "AWS_ACCESS_KEY_ID=<<id g>>\nAWS_SECRET_ACCESS_KEY=<<secret g>>\n"
    )),
    File("planted/odd/nbsp.md", "typographic-quotes", (
        "Key:\u00a0\u201c<<id n>>\u201d, secret:\u00a0\u201c<<secret n>>\u201d\n"
    )),
    File("planted/odd/tabs.txt", "tabs", "\tid\t\t<<id a>>\t\n\tsecret\t\t<<secret a>>\t\n"),
    File("planted/odd/lines-apart.txt", "lines-apart", (
        "<<id b>>\n\n(issued on Monday, for the build)\n\n<<secret b>>\n"
    )),
    File("planted/base64/credentials.b64", "base64-file", "<<wrapped c 0>>\n"),
    File("planted/base64/one-line.txt", "base64-ini", "AWS_CONFIG_B64=<<credentials d>>\n"),
    File("planted/base64/basic.http", "basic-auth", (
        "GET / HTTP/1.1\nHost: s3.example.com\nAuthorization: Basic <<basic64 e>>\n"
    )),
    File("planted/base64/env.json", "base64-env-json", '{"env": "<<env64 f>>", "v": 1}\n'),
    File("planted/base64/twice.yaml", "base64-twice", (
        "kind: Secret\ndata:\n  user-data: <<twice64 a>>\n"
    )),
]
