"""Words that begin as access key IDs do, or have the length of a secret, and are neither."""

from render import File

FILES = [
    File("decoys/unique-ids/policy.json", "unique-id", r"""{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Deny",
      "Principal": "*",
      "Action": "s3:*",
      "Condition": {
        "StringNotLike": {"aws:userId": ["AROA<<upper 17>>:*", "AIDA<<upper 17>>", "<<digits 12>>"]}
      }
    }
  ]
}
"""),
    File("decoys/unique-ids/users.json", "unique-id", r"""{
  "Users": [
    {"UserName": "ci", "UserId": "AIDA<<upper 17>>", "Arn": "arn:aws:iam::<<digits 12>>:user/ci"},
    {"UserName": "jo", "UserId": "AIDA<<upper 16>>", "Arn": "arn:aws:iam::<<digits 12>>:user/jo"}
  ]
}
"""),
    File("decoys/unique-ids/roles.tf", "unique-id", r"""locals {
  role_id    = "AROA<<upper 17>>"
  policy_id  = "ANPA<<upper 17>>"
  group_id   = "AGPA<<upper 17>>"
  profile_id = "AIPA<<upper 17>>"
  version_id = "ANVA<<upper 17>>"
  cert_id    = "ASCA<<upper 17>>"
}
"""),
    File("decoys/unique-ids/cloudfront.conf", "unique-id", r"""trusted_key_pair = APKA<<upper 16>>
distribution = E<<upper 13>>
origin_access_identity = E<<upper 13>>
"""),
    File("decoys/unique-ids/short.txt", "unique-id", r"""AROA<<upper 16>>
AIDA<<upper 16>>:session
ANPA<<upper 16>>
"""),
    File("decoys/unique-ids/cloudtrail.json", "unique-id", r"""{
  "userIdentity": {
    "type": "AssumedRole",
    "principalId": "AROA<<upper 17>>:i-<<hex 17>>",
    "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROA<<upper 17>>"}}
  },
  "requestID": "<<upper 16>>",
  "eventID": "<<uuid>>"
}
"""),
    File("decoys/words/enum.java", "upper-case-word", r"""enum Region {
    <<join ASIA+PACIFICSOUTHEAST>>,
    <<join ASIA+PACIFICNORTHEAST>>,
    EUROPE
}
"""),
    File("decoys/words/titles.txt", "upper-case-word", r"""<<join ACCA+DEMIADELLECRUSCA>> FIRENZE
<<join ASIA+MINORINANTIQUITY>>
<<join ABIA+HOUSEOFASSEMBLYS>>
"""),
    File("decoys/words/repeated.txt", "repeated-characters", r"""<<join AKIA+XXXXXXXXXXXXXXXX>>
<<join AKIA+AAAAAAAAAAAAAAAA>>
<<join ASIA+ZZZZZZZZZZZZZZZZ>>
<<join AKIA+2222222222222222>>
<<join AKIA+XYXYXYXYXYXYXYXY>>
<<join AKIA+TESTTESTTESTTEST>>
"""),
    File("decoys/words/digits.txt", "outside-alphabet", r"""<<join AKIA+0123456789ABCDEF>>
<<join AKIA+1111222233334444>>
<<join AKIA+Z0Z1Z8Z9Z0Z1Z8Z9>>
<<join AKIA+S0ME1NVALID0KEY9>>
"""),
    File("decoys/words/not-a-form.txt", "no-known-form", r"""The fifth character is neither of the old forms nor of the new one:
<<join AKIA+A>><<upper 15>>
<<join AKIA+D>><<upper 15>>
<<join AKIA+H>><<upper 15>>
<<join ASIA+M>><<upper 15>>
<<join ASIA+P>><<upper 15>>
"""),
    File("decoys/words/lower.txt", "lower-case", r"""akia<<word 16>>
akiaq<<word 15>>
Akia is a genus; akiaiosfodnn7example is not one.
AKIAq<<word 15>>
"""),
    File("decoys/words/prose.md", "prefix-only", r"""# Key prefixes

An ID starts with AKIA when it lives long and with ASIA when it is temporary.
AKIA alone, `AKIA...`, AKIA-1, AKIA_KEY and "AKIA*" are no keys, and ASIA is a continent.
"""),
    File("decoys/tokens/longer.txt", "longer-token", r"""<<inrun>>
<<inrun>>
<<join AKIA+Q>><<upper 19>>
<<join AKIA+R>><<upper 16>>
X<<join AKIA+S>><<upper 15>>
<<join ASIA+T>><<upper 40>>
"""),
    File("decoys/tokens/shorter.txt", "shorter-token", r"""<<join AKIA+Q>><<upper 14>>
<<join AKIA+R>><<upper 11>>
<<join ASIA+Y>><<upper 7>>
"""),
    File("decoys/tokens/config.json", "longer-token", r"""{
  "license": "<<inrun>>",
  "serial": "<<upper 6>><<join AKIA+V>><<upper 15>><<upper 6>>",
  "channel": "UC<<alnum 22>>",
  "aws_session_cookie": "<<run 180>>"
}
"""),
    File("decoys/tokens/sequence.fasta", "longer-token", r""">sp|P00001|ALBU_HUMAN serum albumin
MKWVTFISLLFLFSSAYSRGVFRRDAHKSEVAHRFKDLGEENFKALVLIAFAQYLQQCPF
EDHVKLVNEVTEFAKTCVADESAENCDKSLHTLFGDKLCTVAKIAYSTLKWQPVRSNMHIEC
LVRYTKKVPQVSTPTLVEVSRNLGKVGSKCCKHPEAKRMPCAEDYLSVVLNQLCVLHEK
"""),
    File("decoys/tokens/identifiers.go", "identifier", r"""package iam_test

// <<join TestAccAWSIAMAccessKe+yEncryptedOutputPgp>> and <<join TestAccIAMAccessKeyEn+cryptedSecretOutput>> cover it.
const awsSecretAccessKey = awsSecretAccessKeyRotationIntervalInDays

var _ = map[string]string{
	"aws": "newAwsCredentialsProviderFromEnvironment",
	"key": "AWSSecretAccessKeyRotationScheduleConfig",
}
"""),
    File("decoys/tokens/paths.py", "path", r'''AWS_READER = "<<join com/amazonaws/services+/s3/AmazonS3Client>>"
AWS_OBJECT = "<<join com/amazonaws/services+/s3/model/S3Object>>"
AWS_SECRET_ACCESS_KEY_FILE = "<<join /run/secrets/aws/cred+entials/secret/prod>>"
aws_key_template = "<<join src/main/resources/aw+s/credentials/blank>>"
'''),
    File("decoys/tokens/paths.tf", "path", r"""data "aws_ssm_parameter" "secret" {
  name = "<<join /etc/secrets/prod/aws+/secret/access/key1>>"
}

module "iam" {
  source = "<<join internal/service/iam/+access/key/resource>>"
}
"""),
    File("decoys/tokens/numbers.csv", "digits", r"""account,invoice,aws_reference
<<digits 12>>,<<digits 40>>,<<digits 20>>
<<digits 12>>,<<digits 40>>,<<digits 20>>
"""),
    File("decoys/tokens/alphabets.rs", "alphabet", r"""/// The alphabets that access keys are written in.
const AWS_BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const AWS_SECRET_ALPHABET: &str =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const AWS_HEX_ALPHABET: &str = "0123456789abcdef0123456789abcdef01234567";
"""),
    File("decoys/tokens/base32.txt", "longer-token", r"""otpauth://totp/AWS:jo?secret=<<upper 32>>&issuer=AWS
otpauth://totp/AWS:ci?secret=<<upper 64>>&issuer=AWS
onion: <<word 56>>.onion
"""),
]
