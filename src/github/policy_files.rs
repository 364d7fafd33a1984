//! Reads the repositories of an organization with their policy files, a hundred in one request.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::api::{ClientError, GithubError};
use super::graphql::{GraphqlClient, GraphqlError, GraphqlReply};
use crate::system::server_time::ServerTime;

/// The largest page that GitHub gives.
const FULL_PAGE: usize = 100;
/// The smallest page that is tried: GitHub ends a query that takes too long, whatever its size.
const SMALL_PAGE: usize = 10;

/// What is read of every repository; `F` stands for the fields of a file.
const REPOSITORY: &str = "fragment R on Repository { nameWithOwner databaseId isArchived isFork";
const FILE: &str = "fragment F on GitObject { ... on Blob { byteSize isBinary isTruncated text } }";

/// A repository, and the policy files that it may have, in the order of the paths that were asked for.
#[derive(Debug, Clone)]
pub struct FoundRepository {
    /// `OWNER/NAME`.
    pub name: String,
    pub id: Option<u64>,
    pub is_archived: bool,
    pub is_fork: bool,
    pub files: Vec<FoundFile>,
    /// What could not be read of it.
    pub errors: Vec<String>,
}

/// A file on the default branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundFile {
    Absent,
    Text(String),
    /// It has no text, with the reason.
    NotText(String),
    /// GitHub did not show it, with the reason.
    NotShown(String),
}

/// Some repositories, and what could not be read.
#[derive(Debug, Default)]
pub struct RepositoryPage {
    pub repositories: Vec<FoundRepository>,
    /// What is read next; `None` after the last page.
    pub next: Option<String>,
    /// Errors that are about no repository that was read.
    pub errors: Vec<String>,
}

/// Reads policy files.
pub struct PolicyFileReader {
    client: GraphqlClient,
    /// The paths from the root of a repository, the first that exists counts.
    paths: Vec<String>,
}

impl PolicyFileReader {
    /// # Errors
    /// The URL is invalid.
    pub fn new(api_url: &str, token: &SecretString, paths: &[&str]) -> Result<Self, ClientError> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        // The queries need no clock of their own
        let time = Arc::new(ServerTime::new(None));
        Ok(Self { client: GraphqlClient::new(api_url, token, time)?, paths })
    }

    /// Reads the repositories of an organization or a user, from a cursor on.
    ///
    /// # Errors
    /// GitHub refused, or did not answer although the page was made smaller.
    pub async fn read_page(&self, owner: &str, after: Option<&str>) -> Result<RepositoryPage, GithubError> {
        let query = format!(
            "query($login: String!, $after: String, $first: Int!) {{ repositoryOwner(login: $login) {{ \
             repositories(first: $first, after: $after, ownerAffiliations: [OWNER], orderBy: {{field: NAME, direction: ASC}}) {{ \
             pageInfo {{ hasNextPage endCursor }} nodes {{ ...R }} }} }} }} {}",
            self.fragments()
        );
        let mut first = FULL_PAGE;
        let reply = loop {
            let variables = json!({ "login": owner, "after": after, "first": first });
            match self.client.query(&query, &variables).await {
                Ok(reply) => break reply,
                Err(error) if first > SMALL_PAGE && is_too_expensive(&error) => {
                    // GitHub names no limit, so the page is halved until the query succeeds
                    first = (first / 2).max(SMALL_PAGE)
                }
                Err(error) => return Err(error),
            }
        };
        Ok(self.parse_page(owner, reply))
    }

    /// Reads single repositories.
    ///
    /// # Errors
    /// As for [`Self::read_page`].
    pub async fn read_repositories(&self, names: &[String]) -> Result<RepositoryPage, GithubError> {
        let mut page = RepositoryPage::default();
        for names in names.chunks(FULL_PAGE) {
            let reply = self.client.query(&self.alias_query(names), &name_variables(names)).await?;
            for (index, name) in names.iter().enumerate() {
                let alias = format!("r{index}");
                let errors = messages_at(&reply.errors, &[&alias]);
                match self.parse_repository(&reply.data[&alias], errors.clone()) {
                    Some(repository) => page.repositories.push(repository),
                    None => page.errors.push(describe_unread(name, &errors)),
                }
            }
        }
        Ok(page)
    }

    /// Reads files, each by its repository and path.
    ///
    /// # Errors
    /// As for [`Self::read_page`].
    pub async fn read_files(&self, places: &[(String, String)]) -> Result<Vec<FoundFile>, GithubError> {
        let mut files = Vec::new();
        for places in places.chunks(FULL_PAGE) {
            let names: Vec<String> = places.iter().map(|(name, _)| name.clone()).collect();
            let (mut parameters, mut fields, mut variables) =
                (Vec::new(), Vec::new(), name_variables(&names));
            for (index, (_, path)) in places.iter().enumerate() {
                parameters.push(format!("$o{index}: String!, $n{index}: String!, $e{index}: String!"));
                fields.push(format!("r{index}: repository(owner: $o{index}, name: $n{index}) {{ f0: object(expression: $e{index}) {{ ...F }} }}"));
                // `HEAD` is the default branch: a policy file on any other one does not apply
                variables[format!("e{index}")] = format!("HEAD:{path}").into();
            }
            let query = format!("query({}) {{ {} }} {FILE}", parameters.join(", "), fields.join(" "));
            let reply = self.client.query(&query, &variables).await?;
            for index in 0..places.len() {
                let alias = format!("r{index}");
                let errors = messages_at(&reply.errors, &[&alias]);
                files.push(if errors.is_empty() {
                    parse_file(&reply.data[&alias]["f0"])
                } else {
                    FoundFile::NotShown(errors.join("; "))
                });
            }
        }
        Ok(files)
    }

    fn alias_query(&self, names: &[String]) -> String {
        let (mut parameters, mut fields) = (Vec::new(), Vec::new());
        for index in 0..names.len() {
            parameters.push(format!("$o{index}: String!, $n{index}: String!"));
            fields.push(format!("r{index}: repository(owner: $o{index}, name: $n{index}) {{ ...R }}"));
        }
        format!("query({}) {{ {} }} {}", parameters.join(", "), fields.join(" "), self.fragments())
    }

    fn fragments(&self) -> String {
        let mut text = REPOSITORY.to_owned();
        for (index, path) in self.paths.iter().enumerate() {
            text.push_str(&format!(
                " f{index}: object(expression: {}) {{ ...F }}",
                Value::from(format!("HEAD:{path}"))
            ));
        }
        format!("{text} }} {FILE}")
    }

    fn parse_page(&self, owner: &str, mut reply: GraphqlReply) -> RepositoryPage {
        let mut page = RepositoryPage::default();
        let list =
            reply.data.pointer_mut("/repositoryOwner/repositories").map(Value::take).unwrap_or_default();
        let Some(nodes) = list["nodes"].as_array() else {
            page.errors.push(describe_unread(owner, &messages_at(&reply.errors, &[])));
            return page;
        };
        for (index, node) in nodes.iter().enumerate() {
            let index = index.to_string();
            let errors = messages_at(&reply.errors, &["repositoryOwner", "repositories", "nodes", &index]);
            match self.parse_repository(node, errors.clone()) {
                Some(repository) => page.repositories.push(repository),
                None => page.errors.push(describe_unread(&format!("a repository of {owner}"), &errors)),
            }
        }
        for error in &reply.errors {
            // Those below `nodes` are reported with their repository
            if error.path.get(2).is_none_or(|step| step != "nodes") {
                page.errors.push(error.message.clone());
            }
        }
        if list["pageInfo"]["hasNextPage"] == true {
            page.next = list["pageInfo"]["endCursor"].as_str().map(str::to_owned);
            // Without the cursor, the rest would be left out and no one would see it
            if page.next.is_none() {
                page.errors
                    .push(format!("{owner}: GitHub says that more repositories follow, and not where"));
            }
        }
        page
    }

    fn parse_repository(&self, node: &Value, errors: Vec<String>) -> Option<FoundRepository> {
        let files = (0..self.paths.len()).map(|index| parse_file(&node[format!("f{index}")])).collect();
        Some(FoundRepository {
            name: node["nameWithOwner"].as_str()?.to_owned(),
            id: node["databaseId"].as_u64(),
            // A field that is null could not be read, and must not pass for `false`
            is_archived: node["isArchived"].as_bool()?,
            is_fork: node["isFork"].as_bool()?,
            files,
            errors,
        })
    }
}

/// Whether a smaller page may succeed: GitHub did not answer, or gave up on the query.
fn is_too_expensive(error: &GithubError) -> bool {
    error.status.is_none()
        || error.message_contains("timeout")
        || error.message_contains("something went wrong")
}

fn name_variables(names: &[String]) -> Value {
    let mut variables = Map::new();
    for (index, name) in names.iter().enumerate() {
        let (owner, name) = name.split_once('/').unwrap_or((name, ""));
        variables.insert(format!("o{index}"), owner.into());
        variables.insert(format!("n{index}"), name.into());
    }
    Value::Object(variables)
}

/// The messages of the errors at or below a path.
fn messages_at(errors: &[GraphqlError], path: &[&str]) -> Vec<String> {
    errors.iter().filter(|error| is_below(error, path)).map(|error| error.message.clone()).collect()
}

fn is_below(error: &GraphqlError, path: &[&str]) -> bool {
    error.path.len() >= path.len() && error.path.iter().zip(path).all(|(step, wanted)| step == wanted)
}

fn describe_unread(name: &str, messages: &[String]) -> String {
    match messages {
        [] => format!("{name}: GitHub does not know it, or the token may not read it"),
        messages => format!("{name}: {}", messages.join("; ")),
    }
}

/// A folder or a submodule at the path is no file: GitHub gives an object without the fields of a file.
fn parse_file(object: &Value) -> FoundFile {
    let Some(size) = object["byteSize"].as_u64() else { return FoundFile::Absent };
    match object["text"].as_str() {
        Some(text) if object["isTruncated"] == false => FoundFile::Text(text.to_owned()),
        _ if object["isBinary"] == true => FoundFile::NotText("the file is binary".to_owned()),
        _ => FoundFile::NotText(format!("GitHub gives no whole text of the file, which has {size} bytes")),
    }
}
