//! Names destinations for people, in the words of their products.

use crate::sanitize::{escape_line, escape_markdown as clean};

/// A path or name from outside as code: within a code span nothing but a backtick has a meaning.
pub fn code(text: &str) -> String {
    format!("`{}`", escape_line(text).replace('`', "'"))
}

/// A destination in the words of its product, such as "GitHub Actions secrets `X` and `Y` of `acme/app`".
pub fn describe_destination(id: &str) -> String {
    let Some((kind, target)) = id.split_once(' ') else { return clean(id) };
    match (kind, target.split_once(':'), target.rsplit_once(':')) {
        ("github_secret", Some((product, _)), Some((location, names))) => {
            let product = match product {
                "actions" => "Actions",
                "dependabot" => "Dependabot",
                "codespaces" => "Codespaces",
                other => other,
            };
            let owner = location.split_once(':').map_or(location, |(_, owner)| owner);
            let (owner, environment) = owner.split_once(':').unwrap_or((owner, ""));
            let noun = if names.contains('+') { "secrets" } else { "secret" };
            let names: Vec<String> = names.split('+').map(code).collect();
            let names = names.join(" and ");
            let environment = match environment {
                "" => String::new(),
                environment => format!(", environment {}", code(environment)),
            };
            format!("GitHub {} {noun} {names} of {}{environment}", clean(product), code(owner))
        }
        ("secrets_manager", Some((region, rest)), _) => {
            let secret = rest.rsplit_once(':').map_or(rest, |(secret, _)| secret);
            format!("AWS Secrets Manager secret {} in {}", code(secret), clean(region))
        }
        ("ssm_parameter", Some((region, rest)), _) => {
            let parameter = rest.rsplit_once(':').map_or(rest, |(parameter, _)| parameter);
            format!("AWS Systems Manager parameter {} in {}", code(parameter), clean(region))
        }
        ("sops", ..) => format!("{} (SOPS)", code(target)),
        ("sealed_secret", ..) => format!("{} (SealedSecret)", code(target)),
        _ => format!("{} ({})", code(target), clean(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_described_in_the_words_of_their_product() {
        let cases = [
            ("age deploy/aws.env.age", "`deploy/aws.env.age` (age)"),
            ("sops deploy/secrets.enc.yaml", "`deploy/secrets.enc.yaml` (SOPS)"),
            ("github_secret actions:acme/app:X+Y", "GitHub Actions secrets `X` and `Y` of `acme/app`"),
            (
                "github_secret actions:acme/app:production:X",
                "GitHub Actions secret `X` of `acme/app`, environment `production`",
            ),
            ("github_secret dependabot:acme/app:KEY", "GitHub Dependabot secret `KEY` of `acme/app`"),
            (
                "secrets_manager eu-west-1:arn:aws:secretsmanager:eu-west-1:1:secret:app:id+secret",
                "AWS Secrets Manager secret `arn:aws:secretsmanager:eu-west-1:1:secret:app` in eu-west-1",
            ),
            (
                "ssm_parameter eu-west-1:/app/aws:id+secret",
                "AWS Systems Manager parameter `/app/aws` in eu-west-1",
            ),
        ];
        for (id, text) in cases {
            assert_eq!(describe_destination(id).replace('\\', ""), text);
        }
    }
}
