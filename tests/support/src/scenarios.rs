//! Lives of a key, as people and time drive them: one command at a time, so that a test can look, copy and kill in
//! between.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::destinations::AGE_FILE;
use super::peers::{OLD, POLICY, Picture, USER, World};
use super::{Keytide, Ran};

/// More commands than any life takes, killed once.
const COMMANDS: usize = 40;

/// What people do, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// The pull request is merged: the new key takes the old one's place.
    Merged,
    /// The same, and a workflow that keytide starts deploys it.
    Deployed,
    /// It is closed: the new key goes, and the next rotation begins.
    Closed,
    /// It is merged, and rolled back in the grace period, as far as a store lets it.
    RolledBack,
    /// The user has no key and no place holds one: its first is made, and merged.
    First,
    /// The same, and the first pull request is closed.
    FirstClosed,
    /// The policy file says `retire`, and people remove the key from the repository: it goes, and no other comes.
    Retired,
}

/// How far people have got in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    has_closed: bool,
    has_removed: bool,
    /// A person has decided to roll back.
    rolls_back: bool,
    /// keytide has taken that in.
    has_rolled_back: bool,
    pub is_over: bool,
}

/// One life.
pub struct Life<'w> {
    pub world: &'w mut World,
    pub story: Story,
    pub progress: Progress,
}

impl Life<'_> {
    /// The command that comes next.
    pub fn command(&self) -> Keytide {
        if self.progress.rolls_back && !self.progress.has_rolled_back {
            return self.world.keytide(&["rollback", "--user", "ci-deployer"]);
        }
        self.world.keytide(&["rotate"])
    }

    /// Runs it, and lets people and time go on.
    #[track_caller]
    pub fn go_on(&mut self) -> Value {
        let report = self.judge(&self.command().run());
        self.people(&report);
        report
    }

    /// To the end, from wherever it stands, or until a world that is continued elsewhere: where `is_known`.
    #[track_caller]
    pub fn live_on(&mut self, is_known: impl Fn(&Self) -> bool) {
        let mut phases = Vec::new();
        for _ in 0..COMMANDS {
            if self.progress.is_over {
                return self.ends_well();
            }
            if is_known(self) {
                return self.world.keeps_its_journal();
            }
            let report = self.go_on();
            phases.push(format!("{}: {}", report["rotations"][0]["phase"], report["rotations"][0]["why"]));
        }
        panic!("it does not end: {phases:#?}");
    }

    /// What must hold after each run.
    #[track_caller]
    pub fn judge(&self, run: &Ran) -> Value {
        assert!([0, 1].contains(&run.exit), "{}\n{}\n{}", self.world.now, run.stdout, run.stderr);
        self.world.work();
        run.json()
    }

    /// What people do after a report.
    pub fn people(&mut self, report: &Value) {
        let rotation = &report["rotations"][0];
        let phase = rotation["phase"].as_str().unwrap_or_default();
        self.progress.has_rolled_back |= self.progress.rolls_back;
        self.progress.is_over = match self.story {
            Story::Merged | Story::Deployed | Story::First => {
                phase == "healthy" && self.world.keys().len() == 1
            }
            Story::Closed | Story::FirstClosed => self.progress.has_closed && phase == "proposed",
            Story::RolledBack => phase == "held",
            Story::Retired => phase == "retired",
        };
        if self.progress.is_over {
            return;
        }
        self.end_deployments();
        if self.story == Story::Retired && !self.progress.has_removed {
            self.progress.has_removed = true;
            self.world.github.control("POST", "push", &json!({ "files": { AGE_FILE: null } }));
        }
        self.progress.rolls_back |= self.story == Story::RolledBack && phase == "grace";
        if let [number] = self.world.github.open_pulls()[..] {
            self.world.pass(20);
            let closes = matches!(self.story, Story::Closed | Story::FirstClosed);
            self.progress.has_closed |= closes;
            self.world.github.control(
                "POST",
                if closes { "close" } else { "merge" },
                &json!({ "number": number }),
            );
        }
        self.world.wait(rotation);
    }

    /// Every run of a workflow succeeds before keytide looks again.
    fn end_deployments(&self) {
        let state = self.world.github.state();
        for run in state["runs"].as_array().into_iter().flatten().filter(|run| run["conclusion"].is_null()) {
            let end = json!({ "id": run["id"], "conclusion": "success" });
            self.world.github.control("POST", "conclude", &end);
        }
    }

    /// One end for each story, whatever happened on the way.
    #[track_caller]
    fn ends_well(&self) {
        self.world.keeps_its_journal();
        let runs = self.world.github.state()["runs"].as_array().map_or(0, Vec::len);
        assert_eq!(runs, usize::from(self.story == Story::Deployed), "a workflow is started once");
        if self.story == Story::Retired {
            assert!(self.world.keys().is_empty(), "{:?}", self.world.keys());
            return;
        }
        if self.story == Story::FirstClosed {
            return self.waits_again();
        }
        let (file, store, keys) = (self.world.in_file(), self.world.in_store(), self.world.keys());
        assert!(
            keys.contains_key(&file.0) && keys.values().all(|(_, status)| status == "Active"),
            "{keys:?}"
        );
        let open = self.world.github.open_pulls().len();
        match self.story {
            Story::Merged | Story::Deployed | Story::First => {
                assert_eq!((keys.len(), store, open), (1, Some(file.clone()), 0));
                assert_ne!(file.0, OLD);
            }
            Story::Closed => assert_eq!((keys.len(), store, open, &*file.0), (2, None, 1, OLD)),
            Story::Retired | Story::FirstClosed => {}
            Story::RolledBack => {
                assert_eq!((keys.len(), open, &*file.0), (2, 0, OLD));
                assert!(keys.contains_key(&store.unwrap().0));
            }
        }
    }
}

impl Life<'_> {
    /// The key of the closed pull request is gone, another waits for its merge, and no place has changed.
    #[track_caller]
    fn waits_again(&self) {
        let keys = self.world.keys();
        assert!(keys.len() == 1 && keys.values().all(|(_, status)| status == "Active"), "{keys:?}");
        let state = self.world.github.state();
        assert!(self.world.homes.iter().all(|home| home.read(&state).is_none()));
        assert_eq!(self.world.github.open_pulls().len(), 1);
    }
}

impl World {
    /// Takes the user's key away, and what holds it: as if there had never been one.
    pub fn remove_key(&self) {
        self.aws.iam("DeleteAccessKey", &[("UserName", USER), ("AccessKeyId", OLD)]);
        self.github.control("POST", "push", &json!({ "files": { AGE_FILE: null } }));
    }

    /// Until keytide says that it is worth to look again; else a day.
    pub fn wait(&mut self, rotation: &Value) {
        let until = rotation["not_before"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let hours = until.map_or(24, |at| at.duration_since(self.now).as_hours() + 1);
        self.pass(hours.clamp(1, 16 * 24));
    }

    /// Whatever was written to the journal since the world was restored is still in it.
    #[track_caller]
    pub fn keeps_its_journal(&self) {
        let commits = &self.github.state()["commits"]["refs/keytide/123456789012/ci-deployer"];
        let kept = commits.as_array().cloned().unwrap_or_default();
        let log = self.github.control("GET", "log", &Value::Null);
        for asked in log.as_array().unwrap().iter().filter(|asked| asked["method"] != "GET") {
            let text = |field: &str| asked[field].as_str().unwrap();
            let is_done = asked["status"].as_u64().is_some_and(|status| status < 300);
            if is_done
                && text("path").contains("/git/refs")
                && asked.to_string().contains("keytide/123456789012")
            {
                let body: Value = serde_json::from_str(text("body")).unwrap();
                assert!(kept.contains(&body["sha"]), "an entry is lost: {body}");
            }
        }
    }

    /// All that keytide could see, but for random names, times and ciphertexts: two worlds of one shape are
    /// continued in the same way.
    pub fn shape(&self) -> String {
        let keys: Value = serde_json::from_str(&self.aws.control("GET", "keys", "")).unwrap();
        let keys = keys["ci-deployer"].as_array().unwrap();
        let name = |text: &str| {
            let at = |field: &str| keys.iter().position(|key| key[field] == text);
            at("id").or_else(|| at("secret")).map_or_else(|| "nobody".to_owned(), |at| format!("key {at}"))
        };
        let state = self.github.state();
        let pull = |pull: &Value| {
            json!([
                pull["head"],
                pull["state"],
                pull["merged_at"].is_null(),
                pull["labels"],
                pull["reviewers"],
                pull["looked"]
            ])
        };
        let secrets = state["secrets"].as_object().unwrap().iter();
        json!({
            "keys": keys.iter().map(|key| json!([key["status"], key["used"]])).collect::<Vec<_>>(),
            "file": self.homes[0].read(&state).map(|(id, _)| name(&id)),
            "secrets": secrets.map(|(path, secret)| json!([path, name(secret["value"].as_str().unwrap())])).collect::<Vec<_>>(),
            "histories": state["histories"],
            "runs": state["runs"].as_array().into_iter().flatten().map(|run| &run["conclusion"]).collect::<Vec<_>>(),
            "pulls": state["pulls"].as_array().unwrap().iter().map(pull).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// The actions of AWS's that change something.
const CHANGES: [&str; 5] = ["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "TagUser", "UntagUser"];

/// Whether an action of AWS's changes something.
pub fn is_change(action: &str) -> bool {
    CHANGES.contains(&action)
}

/// One command of a life: the world before it, and what it asks for.
pub struct Recorded {
    pub story: Story,
    pub picture: Picture,
    pub progress: Progress,
    pub phase: String,
    /// In their order.
    pub requests: Vec<Request>,
}

/// A request, by its number among those to the same peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub to_aws: bool,
    number: usize,
    pub what: String,
    /// Whether it changes something.
    pub changes: bool,
}

impl Request {
    /// What it asks for, whichever object it is about.
    pub fn kind(&self) -> String {
        let is_name = |part: &&str| part.len() == 40 || part.bytes().all(|byte| byte.is_ascii_digit());
        let parts = self.what.split(['/', '=', '?', '&']);
        parts.map(|part| if is_name(&part) { "*" } else { part }).collect::<Vec<_>>().join("/")
    }

    /// The next command that gets so far meets a fault there.
    pub fn meets(&self, world: &World, mut fault: Value) {
        fault["skip"] = self.number.into();
        if self.to_aws {
            fault["action"] = "*".into();
            world.aws.control("POST", "faults", &json!([fault]).to_string());
        } else {
            fault["match"] = ".*".into();
            world.github.control("POST", "faults", &json!([fault]));
        }
    }
}

/// A life in which nothing goes wrong.
pub fn record(story: Story) -> Vec<Recorded> {
    let mut world = World::new(80);
    if story == Story::Retired {
        let policy =
            world.policy_with("").replace("    rotation: \n", "    retire: { quiet: 2d, soak: 3d }\n");
        world.github.push(&[(POLICY, policy.as_bytes())]);
    }
    if story == Story::Deployed {
        let rules = "{ grace: 7d, quiet: 3d, soak: 14d, redeploy: { workflow: deploy.yml } }";
        let policy = world.policy_with(rules);
        let workflow = b"on: workflow_dispatch\njobs: {}\n";
        world.github.push(&[(".github/workflows/deploy.yml", workflow), (POLICY, policy.as_bytes())]);
    }
    if matches!(story, Story::First | Story::FirstClosed) {
        world.remove_key();
    }
    let mut life = Life { world: &mut world, story, progress: Progress::default() };
    let mut commands = Vec::new();
    while !life.progress.is_over {
        let (picture, progress) = (life.world.picture(), life.progress);
        // Its requests are counted from here.
        life.world.restore(&picture);
        let report = life.go_on();
        let phase = report["rotations"][0]["phase"].as_str().unwrap().to_owned();
        commands.push(Recorded { story, picture, progress, phase, requests: requests(life.world) });
    }
    commands
}

/// What the last command asked for.
fn requests(world: &World) -> Vec<Request> {
    let github = world.github.control("GET", "log", &Value::Null);
    let aws: Value = serde_json::from_str(&world.aws.control("GET", "log", "")).unwrap();
    let mut requests = Vec::new();
    for (to_aws, log) in [(false, github), (true, aws)] {
        for (number, asked) in log.as_array().unwrap().iter().enumerate() {
            let text = |field: &str| asked[field].as_str().unwrap_or_default().to_owned();
            let (what, changes) = if to_aws {
                (text("action"), is_change(&text("action")))
            } else {
                let is_done = asked["status"].as_u64().is_some_and(|status| status < 300);
                (format!("{} {}", text("method"), text("path")), asked["method"] != "GET" && is_done)
            };
            requests.push((asked["at"].as_f64().unwrap(), Request { to_aws, number, what, changes }));
        }
    }
    requests.sort_by(|a, b| a.0.total_cmp(&b.0));
    requests.into_iter().map(|(_, request)| request).collect()
}
