# A second run adds what is missing and updates the policies of the roles.
set -euo pipefail
export AWS_PAGER=
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

# require_account ACCOUNT REGION: REGION is taken where none is configured. The AWS CLI wants one, although IAM has none.
require_account() {
  local account
  export AWS_DEFAULT_REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || printf %s "$2")}}
  account=$(aws sts get-caller-identity --query Account --output text)
  [[ $account == "$1" ]] || fail "these credentials belong to account $account; the policy file names $1"
}

# add_provider ARN URL AUDIENCE: an account has one OIDC provider for an issuer, which others may use as well.
add_provider() {
  local known
  known=$(aws iam list-open-id-connect-providers --query 'OpenIDConnectProviderList[].[Arn]' --output text)
  if ! grep -Fqx -e "$1" <<<"$known"; then
    aws iam create-open-id-connect-provider --url "$2" --client-id-list "$3" >/dev/null
    return
  fi
  known=$(aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$1" --query 'ClientIDList[].[@]' --output text)
  if ! grep -Fqx -e "$3" <<<"$known"; then
    aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn "$1" --client-id "$3"
  fi
}

# set_up_role NAME REPOSITORY DESCRIPTION TRUST PERMISSIONS [BOUNDARY [POLICY...]]: prints the ARN of the role.
set_up_role() {
  local tag=keytide:repository found arn owner
  local policy query="[Role.Arn, Role.Tags[?Key=='$tag'].Value | [0]]"
  if found=$(aws iam get-role --role-name "$1" --query "$query" --output text 2>"$errors"); then
    IFS=$'\t' read -r arn owner <<<"$found"
    # The role of another repository of this account, or one that a person made, is not changed.
    [[ $owner == "$2" ]] || fail "the role $1 exists and is not tagged $tag=$2; choose another name with $name_option, \
or if it is the right role: aws iam tag-role --role-name $1 --tags Key=$tag,Value=$2"
    aws iam update-assume-role-policy --role-name "$1" --policy-document "$4"
    [[ -z ${6-} ]] || aws iam put-role-permissions-boundary --role-name "$1" --permissions-boundary "$6"
  elif grep -Fq NoSuchEntity "$errors"; then
    arn=$(aws iam create-role --role-name "$1" --description "$3" --tags "Key=$tag,Value=$2" \
      ${6:+--permissions-boundary "$6"} --assume-role-policy-document "$4" --query Role.Arn --output text)
  else
    fail "$(<"$errors")"
  fi
  [[ -z $5 ]] || aws iam put-role-policy --role-name "$1" --policy-name keytide --policy-document "$5"
  for policy in "${@:7}"; do
    aws iam attach-role-policy --role-name "$1" --policy-arn "$policy"
  done
  printf '%s\n' "$arn"
}

