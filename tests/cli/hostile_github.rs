//! A server in the place of GitHub that floods or says nothing, for the commands that ask it without a rotation: the address
//! of a GitHub Enterprise Server may be anyone's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::limits::measure;
use crate::support::Keytide;
use crate::support::replies::{Reply, Request, Server, caller, error};

/// In KiB.
const MOST_MEMORY: u64 = 200 * 1024;
/// One request may take twenty seconds; what else a run does is quick, also on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);
const WORKFLOW: &str = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: aws-actions/configure-aws-credentials@v4\n        with:\n          aws-access-key-id: ${{ secrets.KEY_ID }}\n          aws-secret-access-key: ${{ secrets.SECRET }}\n          aws-region: eu-west-1\n";
const POLICY: &str = "version: 1\naccount: \"123456789012\"\nusers:\n  - name: app\n    rotation: {}\n    destinations:\n      - github_secret: { repository: acme/app, access_key_id: KEY_ID, secret_access_key: SECRET }\n";

/// A server that counts, and the runs that ask it: for the numbers of a repository, the setting of its tokens, a repository's
/// ID, and an OIDC token.
struct Hostile {
    server: Server,
    asked: Arc<AtomicUsize>,
}

impl Hostile {
    fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let server = Server::start(move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            reply(request)
        });
        Self { server, asked }
    }

    fn asking(&self, arguments: &[&str]) -> Keytide {
        Keytide::new(arguments)
            .arg("--github-api-url")
            .arg(&self.server.url())
            .policy(POLICY)
            .file(".github/workflows/deploy.yml", WORKFLOW)
            .env("GITHUB_TOKEN", "token")
    }

    fn runs(&self) -> [(&'static str, Keytide); 4] {
        let aws = Server::start(|request| match request.action() {
            "GetCallerIdentity" => caller(),
            _ => error(403, "AccessDenied", "no"),
        });
        let role = "arn:aws:iam::123456789012:role/keytide";
        let token = Keytide::new(&["audit", "--role-to-assume", role])
            .policy(POLICY)
            .env("AWS_ENDPOINT_URL", &aws.url())
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/token?a=b", self.server.url()))
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "token");
        let numbers =
            self.asking(&["iam-policy", "--for", "all", "--format", "cli", "--repository", "acme/quiet"]);
        let setting = self.asking(&["migrate", "--user", "app", "--repository", "acme/app"]);
        // Without a rotation, so that no journal is read
        let id = self.asking(&["audit", "--repository", "acme/quiet"]);
        let id = id.policy(&POLICY.replace("    rotation: {}\n", ""));
        [
            ("iam-policy", numbers),
            (
                "migrate",
                setting
                    .env("GITHUB_REPOSITORY_ID", "42")
                    .env("GITHUB_REPOSITORY_OWNER_ID", "7")
                    .against(&aws.url()),
            ),
            ("audit", id.against(&aws.url())),
            ("token", token),
        ]
    }
}

/// Made once: it is long.
fn long_body(piece: &'static str, size: usize) -> impl Fn(&Request) -> Reply + Send + Sync {
    let body = OnceLock::new();
    move |_| {
        let body: &String = body.get_or_init(|| {
            let begin = "{\"id\":42,\"owner\":{\"id\":7},\"value\":\"t\",\"default_workflow_permissions\":\"read\",\"a\":[";
            format!("{begin}{}0]}}", piece.repeat(size / piece.len()))
        });
        Reply::Answer(200, body.clone())
    }
}

#[test]
fn a_flood_of_github_takes_little_memory() {
    let mut taken = Vec::new();
    for (flood, piece, size) in [("objects", "{},", 30_000_000), ("blanks", "        ", 250_000_000)] {
        let hostile = Hostile::start(long_body(piece, size));
        for (command, run) in hostile.runs() {
            let before = hostile.asked.load(Ordering::Relaxed);
            let peak = measure(command, run);
            assert!(hostile.asked.load(Ordering::Relaxed) > before, "{command} asks for nothing");
            taken.push((peak, command, flood));
        }
    }
    println!("{taken:#?}");
    let too_much: Vec<_> = taken.iter().filter(|(peak, ..)| *peak > MOST_MEMORY).collect();
    assert!(too_much.is_empty(), "more than {MOST_MEMORY} KiB: {too_much:?}");
}

#[test]
fn a_silent_github_is_left_in_time() {
    // Of `migrate` only the request for the setting: it asks more, one after another
    let hostile = Hostile::start(|request| match request.path.as_str() {
        path if ["/quiet", "/token", "/workflow"].iter().any(|part| path.contains(part)) => Reply::Hang,
        _ => Reply::Answer(404, "{\"message\": \"Not Found\"}".into()),
    });
    let runs = hostile.runs();
    std::thread::scope(|scope| {
        for (command, run) in runs {
            scope.spawn(move || {
                let begun = Instant::now();
                let ran = run.run();
                let took = begun.elapsed();
                assert!(
                    took < LONGEST && took > Duration::from_secs(15),
                    "{command}: {took:?}: {}",
                    ran.stderr
                );
                assert!((0..=3).contains(&ran.exit) && !ran.stderr.contains("panicked"), "{}", ran.stderr);
            });
        }
    });
}
