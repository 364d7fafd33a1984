//! Evaluates the trust policy of a role as IAM does: which OIDC tokens may assume the role. Pure.

use serde_json::Value;

use super::trust_condition::{
    Condition, Operator, Owner, REPOSITORY, REPOSITORY_ID, RepositoryTokens, SUBJECT, Share,
};
use super::wildcard::Pattern;

/// What assumes a role, and what does with an OIDC token, in lower case: IAM takes the names of actions in any.
const ASSUME_ROLE: &str = "sts:assumerole";
const ASSUME_WITH_TOKEN: &str = "sts:assumerolewithwebidentity";
/// The claims that say whose a job is too (IAM, "Available keys for AWS OIDC federation"). What the repository has in them is
/// not known here.
const OTHER_OWNER_CLAIMS: [&str; 4] = ["actor", "actor_id", "enterprise_id", "job_workflow_ref"];

/// The statements of a trust policy that are about the tokens of OIDC providers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TrustPolicy {
    allowing: Vec<Statement>,
    denying: Vec<Statement>,
    /// Whether a statement without conditions lets every AWS account assume the role.
    pub trusts_every_account: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Statement {
    conditions: Vec<Condition>,
    /// The conditions on other claims, which are compared where the claim is known.
    on_claims: Vec<Condition>,
    /// Those of them that say whose the job is.
    on_owner: Vec<String>,
    /// Whether it has conditions that are not looked at.
    has_others: bool,
}

impl TrustPolicy {
    /// `None`: it is not JSON.
    pub fn parse(document: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(document).ok()?;
        let mut policy = Self::default();
        for statement in items_of(&document["Statement"]) {
            policy.trusts_every_account |= lets_every_account(statement);
            let statements = match statement["Effect"].as_str() {
                Some("Allow") => &mut policy.allowing,
                Some("Deny") => &mut policy.denying,
                _ => continue,
            };
            statements.extend(read_statement(statement));
        }
        Some(policy)
    }

    pub fn trusts_provider(&self) -> bool {
        !self.allowing.is_empty()
    }

    /// How many of the repository's tokens may assume the role.
    pub fn share(&self, tokens: &RepositoryTokens<'_>) -> Share {
        let allowed = self.allowing.iter().map(|one| one.share(tokens)).max().unwrap_or(Share::Nothing);
        match self.denying.iter().map(|one| one.denied_share(tokens)).max() {
            Some(Share::Everything) => Share::Nothing,
            Some(Share::Unknown) => allowed.min(Share::Unknown),
            // A part that is denied leaves the rest
            _ => allowed,
        }
    }

    /// Whether the role names the owners of the tokens that it trusts.
    pub fn owner(&self) -> Owner {
        let owner = self.allowing.iter().map(Statement::owner).min().unwrap_or(Owner::Named);
        // A denial of all subjects but some names the owner as well
        let is_limited = self.denying.iter().any(Statement::limits_owners);
        if is_limited { owner.max(Owner::Unknown) } else { owner }
    }

    /// What leaves the owner open; empty where no condition looks at it.
    pub fn open_values(&self) -> Vec<&str> {
        let open = self.allowing.iter().filter(|one| one.owner() == Owner::Open);
        open.flat_map(|one| one.conditions.iter().flat_map(Condition::open_values)).collect()
    }

    /// The values that tokens must have, as a text names them: those of the subject alone, others with their claim.
    pub fn describe_values(&self) -> Vec<String> {
        let mut described = Vec::new();
        for condition in self.list_conditions() {
            let claim = match &*condition.claim {
                SUBJECT => String::new(),
                other => format!("`{other}` "),
            };
            described.extend(condition.accepted_values().iter().map(|value| format!("{claim}`{value}`")));
        }
        described
    }

    /// The other claims of the tokens that the role does not trust, each with what it trusts.
    pub fn list_refused_claims(&self, tokens: &RepositoryTokens<'_>) -> Vec<String> {
        let on_claims = self.allowing.iter().flat_map(|statement| &statement.on_claims);
        let refused = on_claims.filter(|one| one.share(tokens) == Share::Nothing);
        refused.map(|one| describe_refused(one, tokens)).collect()
    }

    /// Whether a statement that allows looks at a claim.
    pub fn looks_at(&self, claim: &str) -> bool {
        self.list_conditions().any(|condition| condition.claim == claim)
    }

    pub fn takes_wildcards_literally(&self) -> bool {
        self.list_conditions().any(Condition::takes_wildcards_literally)
    }

    /// The conditions of which it is not known for whom they are true.
    pub fn list_unclear(&self) -> Vec<&str> {
        let of_allowing = self.list_conditions().filter(|one| one.is_unclear());
        let of_denying = self.denying.iter().flat_map(|one| &one.conditions);
        let on_owner = self.allowing.iter().flat_map(|one| &one.on_owner).map(String::as_str);
        of_allowing.chain(of_denying).map(|one| one.name.as_str()).chain(on_owner).collect()
    }

    fn list_conditions(&self) -> impl Iterator<Item = &Condition> {
        self.allowing.iter().flat_map(|statement| &statement.conditions)
    }
}

impl Statement {
    /// What is not looked at, such as an address, is taken to be true.
    fn share(&self, tokens: &RepositoryTokens<'_>) -> Share {
        let (shares, _) = self.list_shares(tokens);
        shares.into_iter().min().unwrap_or(Share::Everything)
    }

    /// What is not looked at may be false: a denial by that alone is taken to concern no repository.
    fn denied_share(&self, tokens: &RepositoryTokens<'_>) -> Share {
        let (shares, is_complete) = self.list_shares(tokens);
        match shares.into_iter().min() {
            None if is_complete => Share::Everything,
            None => Share::Nothing,
            Some(share) if is_complete => share,
            Some(share) => share.min(Share::Unknown),
        }
    }

    /// The shares of the conditions that are compared, and whether these are all.
    fn list_shares(&self, tokens: &RepositoryTokens<'_>) -> (Vec<Share>, bool) {
        let mut shares: Vec<Share> = self.conditions.iter().map(|one| one.share(tokens)).collect();
        let on_claims = self.on_claims.iter().map(|one| one.share(tokens));
        shares.extend(on_claims.filter(|share| *share != Share::Unknown));
        let is_complete = !self.has_others && shares.len() == self.conditions.len() + self.on_claims.len();
        (shares, is_complete)
    }

    /// Whether a denial is about owners, and not only about other circumstances.
    fn limits_owners(&self) -> bool {
        !self.conditions.is_empty() || (self.on_claims.is_empty() && !self.has_others)
    }

    fn owner(&self) -> Owner {
        let owner = self.conditions.iter().map(Condition::owner).max().unwrap_or(Owner::Open);
        if self.on_owner.is_empty() { owner } else { owner.max(Owner::Unknown) }
    }
}

fn describe_refused(condition: &Condition, tokens: &RepositoryTokens<'_>) -> String {
    let claim = &condition.claim;
    let own = tokens.claims.get(claim).map_or("", String::as_str);
    match condition.accepted_values() {
        [] => format!("the token's `{claim}` is `{own}`, which the role refuses"),
        values => {
            format!("the token's `{claim}` is `{own}`, and the role trusts only `{}`", values.join("`, `"))
        }
    }
}

/// The items of a list, or the only one.
fn items_of(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// Whether a statement allows every principal of AWS, whatever the circumstances.
fn lets_every_account(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    let everyone = items_of(principal).into_iter().chain(items_of(&principal["AWS"])).any(|one| one == "*");
    let is_free = statement["Condition"].as_object().is_none_or(serde_json::Map::is_empty);
    statement["Effect"] == "Allow" && everyone && is_free && covers_action(statement, ASSUME_ROLE)
}

/// `None`: it is not about tokens.
fn read_statement(value: &Value) -> Option<Statement> {
    if !covers_action(value, ASSUME_WITH_TOKEN) {
        return None;
    }
    let providers = list_providers(&value["Principal"])?;
    let mut statement = Statement::default();
    for (operator, keys) in value["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            statement.add_condition(operator, key, values, &providers);
        }
    }
    Some(statement)
}

fn covers_action(statement: &Value, action: &str) -> bool {
    let has_action = |field: &str| {
        let names = items_of(&statement[field]).into_iter().filter_map(Value::as_str);
        names.map(str::to_lowercase).any(|name| Pattern::with_wildcards(&name).matches(action))
    };
    match statement.get("NotAction") {
        Some(_) => !has_action("NotAction"),
        None => has_action("Action"),
    }
}

/// The OIDC providers that a principal names, empty for any. `None`: it names none.
fn list_providers(principal: &Value) -> Option<Vec<&str>> {
    let named = match principal {
        Value::Object(kinds) => kinds.values().flat_map(items_of).collect(),
        one => vec![one],
    };
    let named: Vec<&str> = named.into_iter().filter_map(Value::as_str).collect();
    if named.contains(&"*") {
        return Some(Vec::new());
    }
    let providers = named.iter().filter_map(|arn| arn.split_once(":oidc-provider/"));
    let providers: Vec<&str> = providers.map(|(_, provider)| provider).collect();
    if providers.is_empty() { None } else { Some(providers) }
}

impl Statement {
    fn add_condition(&mut self, operator: &str, key: &str, values: &Value, providers: &[&str]) {
        let name = format!("`{operator}` of `{key}`");
        let (issuer, claim) = key.rsplit_once(':').unwrap_or_default();
        let claim = claim.to_ascii_lowercase();
        // Of another provider it is no key of the token
        let is_own = providers.is_empty() || providers.iter().any(|own| own.eq_ignore_ascii_case(issuer));
        let parsed = Operator::parse(operator).filter(|_| is_own);
        let values: Vec<String> = items_of(values).into_iter().map(text_of).collect();
        if [SUBJECT, REPOSITORY, REPOSITORY_ID].contains(&&*claim) {
            // The claim is in every token
            if !(is_own && operator == "Null" && values == ["false"]) {
                self.conditions.push(Condition { name, claim, operator: parsed, values });
            }
            return;
        }
        let is_on_owner = OTHER_OWNER_CLAIMS.contains(&claim.as_str());
        if is_on_owner && parsed.is_some_and(|operator| !operator.is_negated) {
            self.on_owner.push(name.clone());
        }
        match parsed {
            Some(_) => self.on_claims.push(Condition { name, claim, operator: parsed, values }),
            None => self.has_others = true,
        }
    }
}

/// IAM also takes numbers and booleans for texts.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::trust_condition::Subject;
    use super::*;

    const PROVIDER: &str =
        r#"{"Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}"#;

    fn parse(statements: &str) -> TrustPolicy {
        TrustPolicy::parse(&format!(r#"{{"Statement": [{statements}]}}"#)).unwrap()
    }

    fn share(policy: &TrustPolicy) -> Share {
        let subject = Subject::Exact("repo:acme/app:ref:refs/heads/main".into());
        let claims = BTreeMap::from([("aud".to_owned(), "sts.amazonaws.com".to_owned())]);
        policy.share(&RepositoryTokens { name: "acme/app", id: 7, subject: Some(&subject), claims: &claims })
    }

    /// A statement on the claims of GitHub's tokens, which the keys name alone.
    fn statement(effect: &str, condition: &str) -> String {
        let condition = condition.replace("@", "token.actions.githubusercontent.com:");
        format!(
            r#"{{"Effect": "{effect}", "Principal": {PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {condition}}}"#
        )
    }

    #[test]
    fn an_action_may_be_a_pattern() {
        let trusts = |fields: &str| parse(&format!(r#"{{"Effect": "Allow", {fields}}}"#)).trusts_provider();
        for action in [
            r#""Action": "sts:*""#,
            r#""Action": "*""#,
            r#""Action": ["sts:TagSession", "STS:assumeRoleWith*"]"#,
            r#""Action": "sts:AssumeRoleWithWebIdentity""#,
            r#""NotAction": "sts:AssumeRole""#,
        ] {
            assert!(trusts(&format!(r#"{action}, "Principal": {PROVIDER}"#)), "{action}");
            assert!(trusts(&format!(r#"{action}, "Principal": "*""#)), "{action}");
            let others = r#"{"AWS": "arn:aws:iam::123456789012:root", "Service": "ec2.amazonaws.com"}"#;
            assert!(!trusts(&format!(r#"{action}, "Principal": {others}"#)), "{action}");
        }
        for action in [
            r#""Action": "sts:AssumeRole""#,
            r#""NotAction": "sts:*""#,
            r#""Action": ["sts:TagSession", "iam:*"]"#,
        ] {
            assert!(!trusts(&format!(r#"{action}, "Principal": {PROVIDER}"#)), "{action}");
        }
        assert_eq!(TrustPolicy::parse("{"), None);
    }

    #[test]
    fn all_conditions_of_a_statement_must_hold() {
        let app = r#""@sub": "repo:acme/app:*""#;
        for (condition, expected) in [
            (format!(r#"{{"StringLike": {{{app}}}}}"#), (Share::Everything, Owner::Named)),
            (
                format!(r#"{{"StringLike": {{{app}}}, "StringNotLike": {{"@sub": "*:pull_request"}}}}"#),
                (Share::Everything, Owner::Named),
            ),
            (
                format!(r#"{{"StringLike": {{{app}}}, "StringEquals": {{"@repository_id": 8}}}}"#),
                (Share::Nothing, Owner::Named),
            ),
            (
                r#"{"StringLike": {"@sub": "repo:*"}, "StringEquals": {"@repository": "acme/app"}}"#
                    .to_owned(),
                (Share::Everything, Owner::Named),
            ),
            (r#"{"StringNotLike": {"@sub": "repo:evil/*"}}"#.to_owned(), (Share::Everything, Owner::Open)),
            (r#"{"StringEquals": {"@aud": "sts"}}"#.to_owned(), (Share::Nothing, Owner::Open)),
            (
                r#"{"StringEquals": {"@aud": "sts.amazonaws.com"}}"#.to_owned(),
                (Share::Everything, Owner::Open),
            ),
            (r#"{"StringEquals": {"@ref": "x"}}"#.to_owned(), (Share::Everything, Owner::Open)),
            (r#"{"StringEquals": {"@enterprise_id": "5"}}"#.to_owned(), (Share::Everything, Owner::Unknown)),
            (r#"{"StringNotEquals": {"@actor_id": "5"}}"#.to_owned(), (Share::Everything, Owner::Open)),
            (
                format!(r#"{{"ForAllValues:StringLike": {{{app}}}, "Null": {{"@sub": "false"}}}}"#),
                (Share::Everything, Owner::Named),
            ),
            (r#"{"Null": {"@sub": "true"}}"#.to_owned(), (Share::Unknown, Owner::Unknown)),
            // Another provider's key is not in the token
            (r#"{"StringLike": {"oidc.eks:sub": "*"}}"#.to_owned(), (Share::Unknown, Owner::Unknown)),
        ] {
            let policy = parse(&statement("Allow", &condition));
            assert_eq!((share(&policy), policy.owner()), expected, "{condition}");
        }
    }

    #[test]
    fn the_weakest_statement_counts_and_a_denial_wins() {
        let allow = |value: &str| statement("Allow", &format!(r#"{{"StringLike": {{"@sub": "{value}"}}}}"#));
        let deny = |condition: &str| statement("Deny", condition);
        let of = |statements: &[String]| {
            let policy = parse(&statements.join(","));
            (share(&policy), policy.owner())
        };
        let (app, all) = (allow("repo:acme/app:*"), allow("*"));
        assert_eq!(of(&[app.clone(), all.clone()]), (Share::Everything, Owner::Open));
        assert_eq!(of(&[app.clone(), allow("repo:acme/web:*")]), (Share::Everything, Owner::Named));
        assert_eq!(of(&[app.clone(), deny("{}")]).0, Share::Nothing);
        assert_eq!(of(&[app.clone(), deny(r#"{"StringLike": {"@sub": "*:main"}}"#)]).0, Share::Everything);
        assert_eq!(of(&[app.clone(), deny(r#"{"StringLike": {"@sub": "*/main"}}"#)]).0, Share::Nothing);
        let but_acme = deny(r#"{"StringNotLike": {"@sub": "repo:acme/*"}}"#);
        assert_eq!(of(&[all.clone(), but_acme]), (Share::Everything, Owner::Unknown));
        let but_sts = deny(r#"{"StringNotEquals": {"@aud": "sts.amazonaws.com"}}"#);
        assert_eq!(of(&[all.clone(), but_sts]), (Share::Everything, Owner::Open));
        let from_elsewhere = deny(r#"{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#);
        assert_eq!(of(&[all, from_elsewhere]), (Share::Everything, Owner::Open));
        let tagged = deny(r#"{"StringLike": {"@sub": "*"}, "Bool": {"aws:SecureTransport": "false"}}"#);
        assert_eq!(of(&[app, tagged]).0, Share::Unknown);
    }
}
