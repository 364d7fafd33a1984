//! Lives of a key, as people and time drive them: one command at a time, so that a test can look, copy and kill in
//! between.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::peers::{OLD, World};
use super::{Keytide, Ran};

/// More commands than any life takes, killed once.
const COMMANDS: usize = 40;

/// What people do, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// The pull request is merged: the new key takes the old one's place.
    Merged,
    /// It is closed: the new key goes, and the next rotation begins.
    Closed,
    /// It is merged, and rolled back in the grace period, as far as a store lets it.
    RolledBack,
}

/// How far people have got in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    has_closed: bool,
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

    /// To the end, from wherever it stands.
    #[track_caller]
    pub fn to_the_end(&mut self) {
        let mut phases = Vec::new();
        for _ in 0..COMMANDS {
            if self.progress.is_over {
                return self.ends_well();
            }
            let report = self.go_on();
            phases.push(format!("{}: {}", report["rotations"][0]["phase"], report["rotations"][0]["why"]));
        }
        panic!("it does not end: {phases:#?}");
    }

    /// What must hold after each run.
    #[track_caller]
    fn judge(&self, run: &Ran) -> Value {
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
            Story::Merged => phase == "healthy" && self.world.keys().len() == 1,
            Story::Closed => self.progress.has_closed && phase == "proposed",
            Story::RolledBack => phase == "held",
        };
        if self.progress.is_over {
            return;
        }
        self.progress.rolls_back |= self.story == Story::RolledBack && phase == "grace";
        if let [number] = self.world.github.open_pulls()[..] {
            self.world.pass(20);
            let closes = self.story == Story::Closed;
            self.progress.has_closed |= closes;
            self.world.github.control("POST", if closes { "close" } else { "merge" }, &json!({ "number": number }));
        }
        self.wait(rotation);
    }

    /// Until keytide says that it is worth to look again; else a day.
    fn wait(&mut self, rotation: &Value) {
        let now = self.world.now;
        let until = rotation["not_before"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let hours = until.map_or(24, |at| at.duration_since(now).as_hours() + 1).clamp(1, 16 * 24);
        self.world.pass(hours);
    }

    /// One end for each story, whatever happened on the way.
    #[track_caller]
    fn ends_well(&self) {
        let (file, store, keys) = (self.world.in_file(), self.world.in_store(), self.world.keys());
        assert!(keys.contains_key(&file.0) && keys.values().all(|(_, status)| status == "Active"), "{keys:?}");
        let open = self.world.github.open_pulls().len();
        match self.story {
            Story::Merged => {
                assert_eq!((keys.len(), store, open), (1, Some(file.clone()), 0));
                assert_ne!(file.0, OLD);
            }
            Story::Closed => assert_eq!((keys.len(), store, open, &*file.0), (2, None, 1, OLD)),
            Story::RolledBack => {
                assert_eq!((keys.len(), open, &*file.0), (2, 0, OLD));
                assert!(keys.contains_key(&store.unwrap().0));
            }
        }
    }
}

impl World {
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
        let pull = |pull: &Value| json!([pull["head"], pull["state"], pull["merged_at"].is_null(), pull["labels"], pull["reviewers"], pull["looked"]]);
        let secrets = state["secrets"].as_object().unwrap().iter();
        json!({
            "keys": keys.iter().map(|key| json!([key["status"], key["used"]])).collect::<Vec<_>>(),
            "file": name(&self.in_file().0),
            "secrets": secrets.map(|(path, secret)| json!([path, name(secret["value"].as_str().unwrap())])).collect::<Vec<_>>(),
            "histories": state["histories"],
            "pulls": state["pulls"].as_array().unwrap().iter().map(pull).collect::<Vec<_>>(),
        })
        .to_string()
    }
}
