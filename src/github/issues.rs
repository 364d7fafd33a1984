//! Finds, opens, edits and closes the issues in which keytide reports problems.

use serde_json::{Value, json};

use super::api::{HttpMethod, PAGE, RetryPolicy, list_at, text_at, unexpected_reply};
use crate::live::{LiveBackend, TokenAccount};
use crate::policy::NotifyIssue;
use crate::ports::{BackendError, BackendResult, ErrorKind, IssueEnd, IssueTracker, TrackedIssue};
use crate::url_encoding::encode_segment;

/// How many pages of one author's issues are read. keytide's own is among the last that were updated.
const MAX_PAGES: usize = 30;
/// The account of `GITHUB_TOKEN`. No one else can have a name with brackets, and only a workflow of this repository can
/// open an issue here with it.
const ACTIONS: &str = "github-actions[bot]";
/// What asks GitHub whose the token is. REST answers that to people only, GraphQL to apps too.
const VIEWER_QUERY: &str = "query { viewer { login databaseId } }";

impl LiveBackend {
    /// Whether the token may write issues: sends an issue without a title, which GitHub does not open.
    ///
    /// # Errors
    /// It may not, or issues are disabled, or GitHub did not answer.
    pub async fn ensure_may_write_issues(&self) -> BackendResult<()> {
        let body = json!({ "title": "" });
        let path = self.repository_endpoint("issues");
        match self.api.send_request(HttpMethod::Post(&body), &path, RetryPolicy::Harmless).await {
            // The expected refusal, after permissions were checked.
            Err(trouble) if trouble.status == Some(422) => Ok(()),
            Err(trouble) => Err(trouble.into()),
            Ok(_) => Err(BackendError::new(ErrorKind::Rejected, "GitHub opened an issue without a title")),
        }
    }

    /// Whose the token is, asked once.
    async fn token_account(&self) -> BackendResult<&TokenAccount> {
        if let Some(known) = self.access.account.get() {
            return Ok(known);
        }
        let account = self.read_token_account().await?;
        Ok(self.access.account.get_or_init(|| account))
    }

    async fn read_token_account(&self) -> BackendResult<TokenAccount> {
        let reply = self.access.connect_graphql()?.query(VIEWER_QUERY, &json!({})).await?;
        let viewer = &reply.data["viewer"];
        match (viewer["login"].as_str(), viewer["databaseId"].as_u64()) {
            (Some(login), Some(id)) => Ok(TokenAccount { login: login.to_owned(), id }),
            _ => {
                let said = reply.errors.first().map_or("no account", |error| error.message.as_str());
                let message = format!("GitHub does not say whose the token is: {said}");
                Err(BackendError::new(ErrorKind::NotApplied, message))
            }
        }
    }

    /// Reads the issues of an author, the last updated first, up to the page that has a wanted one.
    async fn list_issues_by(
        &self,
        author: &str,
        is_wanted: &dyn Fn(&Value) -> bool,
    ) -> BackendResult<Vec<TrackedIssue>> {
        for page in 1..=MAX_PAGES {
            let query = format!(
                "issues?creator={}&state=all&sort=updated&direction=desc&per_page={PAGE}&page={page}",
                encode_segment(author)
            );
            let answer = self.api.get_json(&self.repository_endpoint(&query)).await?;
            let listed = list_at(&answer, "")?;
            let mut found = Vec::new();
            for issue in listed.iter().filter(|issue| is_wanted(issue)) {
                found.push(parse_issue(issue)?);
            }
            if !found.is_empty() || listed.len() < PAGE {
                return Ok(found);
            }
        }
        // It could be further down: to open another one would be worse than to say so.
        let message = format!("{author} has more than {} issues and pull requests", MAX_PAGES * PAGE);
        Err(BackendError::new(ErrorKind::NotApplied, message))
    }

    async fn change_issue(&self, number: u64, change: &Value) -> BackendResult<()> {
        let path = self.repository_endpoint(&format!("issues/{number}"));
        self.api.send_request(HttpMethod::Patch(change), &path, RetryPolicy::Harmless).await?;
        Ok(())
    }

    async fn add_to_issue(&self, number: u64, part: &str, names: &[String]) -> Option<Value> {
        let path = self.repository_endpoint(&format!("issues/{number}/{part}"));
        let body = json!({ part: names });
        match self.api.send_request(HttpMethod::Post(&body), &path, RetryPolicy::Harmless).await {
            Ok(answer) => Some(answer),
            Err(trouble) => {
                self.add_remark(format!("the issue has no {part}: {}", trouble.what));
                None
            }
        }
    }
}

fn is_by_actions(issue: &Value) -> bool {
    issue["user"]["login"] == ACTIONS && issue["user"]["type"] == "Bot"
}

fn parse_issue(issue: &Value) -> BackendResult<TrackedIssue> {
    Ok(TrackedIssue {
        number: issue["number"].as_u64().ok_or_else(|| unexpected_reply("number"))?,
        url: text_at(issue, "/html_url")?,
        body: issue["body"].as_str().unwrap_or_default().to_owned(),
        is_open: issue["state"] == "open",
        is_by_actions: is_by_actions(issue),
    })
}

impl IssueTracker for LiveBackend {
    async fn find_issues(&self, is_wanted: &dyn Fn(&str) -> bool) -> BackendResult<Vec<TrackedIssue>> {
        let account = self.token_account().await?;
        let mut authors = vec![ACTIONS];
        if account.login != ACTIONS {
            authors.push(&account.login);
        }
        let mut found: Vec<TrackedIssue> = Vec::new();
        for author in authors {
            let is_ours = |issue: &Value| {
                // GitHub ignores a filter that it cannot apply, and lists pull requests as well.
                let is_trusted = is_by_actions(issue) || issue["user"]["id"].as_u64() == Some(account.id);
                is_trusted && issue["pull_request"].is_null() && issue["body"].as_str().is_some_and(is_wanted)
            };
            for issue in self.list_issues_by(author, &is_ours).await? {
                if found.iter().all(|known| known.number != issue.number) {
                    found.push(issue);
                }
            }
        }
        Ok(found)
    }

    async fn read_issue(&self, number: u64) -> BackendResult<TrackedIssue> {
        parse_issue(&self.api.get_json(&self.repository_endpoint(&format!("issues/{number}"))).await?)
    }

    async fn create_issue(&self, title: &str, body: &str) -> BackendResult<TrackedIssue> {
        let issue = json!({ "title": title, "body": body });
        let path = self.repository_endpoint("issues");
        // Sent once: after a lost reply, a repetition could open a second issue
        let created = self.api.send_request(HttpMethod::Post(&issue), &path, RetryPolicy::Never).await?;
        parse_issue(&created)
    }

    async fn add_labels_and_assignees(&self, number: u64, settings: &NotifyIssue) {
        // Apart from its creation, which GitHub refuses where one name is unknown.
        if !settings.labels.is_empty() {
            self.add_to_issue(number, "labels", &settings.labels).await;
        }
        let wanted: Vec<String> =
            settings.assignees.iter().map(|name| name.trim_start_matches('@').to_owned()).collect();
        if wanted.is_empty() {
            return;
        }
        let Some(answer) = self.add_to_issue(number, "assignees", &wanted).await else { return };
        let assigned: Vec<&str> = answer["assignees"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|user| user["login"].as_str())
            .collect();
        for name in wanted.iter().filter(|name| !assigned.iter().any(|one| one.eq_ignore_ascii_case(name))) {
            // GitHub leaves out those who cannot be assigned, and says nothing.
            self.add_remark(format!("GitHub did not assign `{name}` to the issue"));
        }
    }

    async fn add_comment(&self, number: u64, text: &str) -> BackendResult<()> {
        let path = self.repository_endpoint(&format!("issues/{number}/comments"));
        let body = json!({ "body": text });
        // Sent once: a repetition could notify everyone a second time
        self.api.send_request(HttpMethod::Post(&body), &path, RetryPolicy::Never).await?;
        Ok(())
    }

    async fn edit_issue(&self, number: u64, body: &str) -> BackendResult<()> {
        self.change_issue(number, &json!({ "body": body })).await
    }

    async fn reopen_issue(&self, number: u64, body: &str) -> BackendResult<()> {
        self.change_issue(number, &json!({ "body": body, "state": "open", "state_reason": "reopened" })).await
    }

    async fn close_issue(&self, number: u64, body: &str, end: IssueEnd) -> BackendResult<()> {
        let reason = match end {
            IssueEnd::Completed => "completed",
            IssueEnd::Duplicate => "duplicate",
        };
        let change = json!({ "body": body, "state": "closed", "state_reason": reason });
        match self.change_issue(number, &change).await {
            // An older GitHub Enterprise Server does not know every reason.
            Err(refusal) if refusal.kind == ErrorKind::Rejected => {
                self.change_issue(number, &json!({ "body": body, "state": "closed" })).await
            }
            done => done,
        }
    }
}
