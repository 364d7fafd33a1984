//! Evaluates one condition of a trust policy as IAM does: for the tokens of a repository, and for those of all others.

use std::collections::BTreeMap;

use super::wildcard::Pattern;

/// The claims that say whose the token is, each the last part of a condition's key.
pub const SUBJECT: &str = "sub";
pub const REPOSITORY: &str = "repository";
pub const REPOSITORY_ID: &str = "repository_id";

const WILDCARDS: [char; 2] = ['*', '?'];

/// What is known of the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The subject of this job's token.
    Exact(String),
    /// What the subject of every token of the repository begins with.
    Prefix(String),
    /// The repository has a form of its own.
    Custom(Vec<String>),
}

/// The repository, and what is known of its tokens.
#[derive(Debug)]
pub struct RepositoryTokens<'a> {
    pub name: &'a str,
    pub id: u64,
    /// `None`: not known.
    pub subject: Option<&'a Subject>,
    /// What is known of the other claims: those of this job's token, or the audience alone, which keytide asks for.
    pub claims: &'a BTreeMap<String, String>,
}

/// What is known of one claim of these tokens.
enum ClaimValue {
    Exact(String),
    Prefix(String),
    Unknown,
}

impl RepositoryTokens<'_> {
    fn claim(&self, name: &str) -> ClaimValue {
        match (name, self.subject) {
            (REPOSITORY, _) => ClaimValue::Exact(self.name.to_owned()),
            (REPOSITORY_ID, _) => ClaimValue::Exact(self.id.to_string()),
            (SUBJECT, Some(Subject::Exact(subject))) => ClaimValue::Exact(subject.clone()),
            // GitHub gives it without the colon; without one it would begin other repositories as well
            (SUBJECT, Some(Subject::Prefix(prefix))) if !prefix.ends_with([':', '@']) => {
                ClaimValue::Prefix(format!("{prefix}:"))
            }
            (SUBJECT, Some(Subject::Prefix(prefix))) => ClaimValue::Prefix(prefix.clone()),
            (SUBJECT, _) => ClaimValue::Unknown,
            (other, _) => {
                self.claims.get(other).map_or(ClaimValue::Unknown, |value| ClaimValue::Exact(value.clone()))
            }
        }
    }
}

/// How many of the tokens are accepted. The smallest of several is what all accept, the greatest what any accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    Nothing,
    Unknown,
    Part,
    Everything,
}

impl Share {
    fn invert(self) -> Self {
        match self {
            Self::Nothing => Self::Everything,
            Self::Everything => Self::Nothing,
            same => same,
        }
    }
}

/// Whether the owner of the tokens is named. The greatest of several holds where all must be true, the smallest where any may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Open,
    Unknown,
    Named,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    EqualInAnyCase,
    Like,
}

/// An operator on texts. `ForAnyValue:` and `ForAllValues:` mean the same for a claim, which has one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    comparison: Comparison,
    pub is_negated: bool,
    /// Whether it is true of a token without the claim. A subject is in every token.
    passes_absent: bool,
}

impl Operator {
    /// `None`: one that does not compare texts, or is not known.
    pub fn parse(name: &str) -> Option<Self> {
        let of_all = name.strip_prefix("ForAllValues:");
        let name = of_all.or_else(|| name.strip_prefix("ForAnyValue:")).unwrap_or(name);
        let if_exists = name.strip_suffix("IfExists");
        let (comparison, is_negated) = match if_exists.unwrap_or(name) {
            "StringEquals" => (Comparison::Equal, false),
            "StringNotEquals" => (Comparison::Equal, true),
            "StringEqualsIgnoreCase" => (Comparison::EqualInAnyCase, false),
            "StringNotEqualsIgnoreCase" => (Comparison::EqualInAnyCase, true),
            "StringLike" => (Comparison::Like, false),
            "StringNotLike" => (Comparison::Like, true),
            _ => return None,
        };
        Some(Self { comparison, is_negated, passes_absent: of_all.is_some() || if_exists.is_some() })
    }

    fn share_of(self, value: &str, claim: &ClaimValue) -> Share {
        if has_variable(value) {
            return Share::Unknown;
        }
        let fold = |text: &str| match self.comparison {
            Comparison::EqualInAnyCase => text.to_lowercase(),
            _ => text.to_owned(),
        };
        let pattern = match self.comparison {
            Comparison::Like => Pattern::with_wildcards(value),
            _ => Pattern::literal(&fold(value)),
        };
        match claim {
            ClaimValue::Unknown => Share::Unknown,
            ClaimValue::Exact(text) if pattern.matches(&fold(text)) => Share::Everything,
            ClaimValue::Exact(_) => Share::Nothing,
            // No branch, tag or environment has such a name
            ClaimValue::Prefix(_) if self.takes_literally(value) => Share::Nothing,
            ClaimValue::Prefix(prefix) if pattern.matches_all_after(&fold(prefix)) => Share::Everything,
            ClaimValue::Prefix(prefix) if pattern.matches_some_after(&fold(prefix)) => Share::Part,
            ClaimValue::Prefix(_) => Share::Nothing,
        }
    }

    /// Whether the value has `*` or `?`, and they mean themselves.
    fn takes_literally(self, value: &str) -> bool {
        self.comparison != Comparison::Like && value.contains(WILDCARDS)
    }

    fn owner_of(self, claim: &str, value: &str) -> Owner {
        if has_variable(value) {
            return Owner::Unknown;
        }
        match value.find(WILDCARDS).filter(|_| self.comparison == Comparison::Like) {
            Some(end) => find_owner(claim, &value[..end]),
            None => Owner::Named,
        }
    }
}

/// Whether IAM would fill in a part of the value (`${aws:username}`).
fn has_variable(value: &str) -> bool {
    value.contains("${")
}

/// Whether the owner is in the beginning of a pattern, before the first wildcard.
fn find_owner(claim: &str, beginning: &str) -> Owner {
    let text = if claim == SUBJECT { beginning.to_owned() } else { format!("{claim}:{beginning}") };
    let Some((first, rest)) = text.split_once(':') else { return Owner::Open };
    let is_named = match first {
        "repo" | REPOSITORY => rest.contains(['/', '@']),
        REPOSITORY_ID | "repository_owner" | "repository_owner_id" => rest.contains(':'),
        // A form of the repository's own: another repository can have the same
        _ => return Owner::Unknown,
    };
    if is_named { Owner::Named } else { Owner::Open }
}

/// A condition on a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The operator and the key, as the policy has them.
    pub name: String,
    pub claim: String,
    /// `None`: it is not known when the condition is true.
    pub operator: Option<Operator>,
    pub values: Vec<String>,
}

impl Condition {
    /// Whether it is true for the tokens of the repository.
    pub fn share(&self, tokens: &RepositoryTokens<'_>) -> Share {
        let Some(operator) = self.operator else { return Share::Unknown };
        let claim = tokens.claim(&self.claim);
        let shares = self.values.iter().map(|value| operator.share_of(value, &claim));
        let share = shares.max().unwrap_or(Share::Nothing);
        if operator.is_negated { share.invert() } else { share }
    }

    /// Whether it is true for the tokens of named owners only.
    pub fn owner(&self) -> Owner {
        match self.operator {
            None => Owner::Unknown,
            Some(operator) if operator.is_negated => Owner::Open,
            // Not everywhere does AWS look at claims beside the subject
            Some(operator) if operator.passes_absent && self.claim != SUBJECT => Owner::Unknown,
            Some(operator) => {
                let owners = self.values.iter().map(|value| operator.owner_of(&self.claim, value));
                owners.min().unwrap_or(Owner::Named)
            }
        }
    }

    /// The values that a token may have.
    pub fn accepted_values(&self) -> &[String] {
        if self.operator.is_some_and(|operator| operator.is_negated) { &[] } else { &self.values }
    }

    /// The values of which any owner can have a token.
    pub fn open_values(&self) -> Vec<&str> {
        let Some(operator) = self.operator.filter(|operator| !operator.is_negated) else { return Vec::new() };
        let open = |value: &&str| operator.owner_of(&self.claim, value) == Owner::Open;
        self.values.iter().map(String::as_str).filter(open).collect()
    }

    /// Whether it is unclear when the condition is true, whatever the token.
    pub fn is_unclear(&self) -> bool {
        self.operator.is_none()
            || self.owner() == Owner::Unknown
            || self.values.iter().any(|value| has_variable(value))
    }

    /// Whether it has a `*` or `?` that means itself.
    pub fn takes_wildcards_literally(&self) -> bool {
        let Some(operator) = self.operator else { return false };
        self.values.iter().any(|value| operator.takes_literally(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(operator: &str, claim: &str, values: &[&str]) -> Condition {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let claim = claim.to_owned();
        Condition { name: operator.to_owned(), claim, operator: Operator::parse(operator), values }
    }

    fn share(operator: &str, values: &[&str], subject: &Subject) -> Share {
        let claims = BTreeMap::new();
        let tokens = RepositoryTokens { name: "acme/app", id: 7, subject: Some(subject), claims: &claims };
        condition(operator, SUBJECT, values).share(&tokens)
    }

    #[test]
    fn the_operator_decides_what_a_wildcard_is() {
        let exact = Subject::Exact("repo:acme/app:ref:refs/heads/main".into());
        let prefix = Subject::Prefix("repo:acme/app".into());
        let (main, all) = ("repo:acme/app:ref:refs/heads/main", "repo:acme/app:*");
        for (operator, value, of_exact, of_prefix) in [
            ("StringEquals", main, Share::Everything, Share::Part),
            ("StringEquals", "repo:Acme/app:ref:refs/heads/main", Share::Nothing, Share::Nothing),
            ("StringEqualsIgnoreCase", "repo:Acme/App:ref:refs/heads/main", Share::Everything, Share::Part),
            ("StringEquals", all, Share::Nothing, Share::Nothing),
            ("StringEqualsIgnoreCase", all, Share::Nothing, Share::Nothing),
            ("StringLike", all, Share::Everything, Share::Everything),
            ("StringLike", "repo:acme/*", Share::Everything, Share::Everything),
            ("StringLike", "repo:acme/ap?:ref:*", Share::Everything, Share::Part),
            ("StringLike", "repo:acme/app2:*", Share::Nothing, Share::Nothing),
            ("StringLikeIfExists", all, Share::Everything, Share::Everything),
            ("ForAnyValue:StringLike", all, Share::Everything, Share::Everything),
            ("ForAllValues:StringLikeIfExists", all, Share::Everything, Share::Everything),
            ("StringNotLike", all, Share::Nothing, Share::Nothing),
            ("StringNotLike", "repo:acme/other:*", Share::Everything, Share::Everything),
            ("StringNotEquals", main, Share::Nothing, Share::Part),
            ("StringLike", "repo:${aws:PrincipalTag/owner}/app:*", Share::Unknown, Share::Unknown),
            ("ArnLike", all, Share::Unknown, Share::Unknown),
        ] {
            assert_eq!(share(operator, &[value], &exact), of_exact, "{operator} {value}");
            assert_eq!(share(operator, &[value], &prefix), of_prefix, "{operator} {value}");
        }
        assert_eq!(share("StringEquals", &["x", main], &exact), Share::Everything);
        assert_eq!(share("StringNotEquals", &["x", main], &exact), Share::Nothing);
        assert_eq!(share("StringEquals", &[main], &Subject::Custom(Vec::new())), Share::Unknown);
    }

    #[test]
    fn a_pattern_must_name_the_owner() {
        for (value, owner) in [
            ("*", Owner::Open),
            ("re?o:acme/app:*", Owner::Open),
            ("repo:*", Owner::Open),
            ("repo:*/*", Owner::Open),
            ("repo:*/app:*", Owner::Open),
            ("repo:acme*", Owner::Open),
            ("repo:ac?e/app:*", Owner::Open),
            ("repo:acme/*", Owner::Named),
            ("repo:acme@7/*", Owner::Named),
            ("repo:acme/app:ref:x", Owner::Named),
            ("repository_owner:acme:*", Owner::Named),
            ("repository_owner:*", Owner::Open),
            ("environment:gate:*", Owner::Unknown),
            ("repo:${x}/app", Owner::Unknown),
        ] {
            assert_eq!(condition("StringLike", SUBJECT, &[value]).owner(), owner, "{value}");
        }
        let of = |operator, claim, value: &str| condition(operator, claim, &[value]).owner();
        assert_eq!(of("StringEquals", SUBJECT, "repo:*"), Owner::Named);
        assert_eq!(of("StringNotLike", SUBJECT, "repo:acme/*"), Owner::Open);
        assert_eq!(of("StringFoo", SUBJECT, "repo:acme/*"), Owner::Unknown);
        assert_eq!(of("StringLikeIfExists", SUBJECT, "repo:acme/*"), Owner::Named);
        assert_eq!(of("StringEqualsIfExists", REPOSITORY_ID, "7"), Owner::Unknown);
        assert_eq!(of("StringLike", REPOSITORY, "acme/*"), Owner::Named);
        assert_eq!(of("StringLike", REPOSITORY_ID, "7*"), Owner::Open);
        let both = condition("StringLike", SUBJECT, &["repo:acme/*", "repo:*"]);
        assert_eq!((both.owner(), both.open_values()), (Owner::Open, vec!["repo:*"]));
    }
}
