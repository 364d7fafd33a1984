//! A small repository to check: written file by file, with or without git, looked at by the built program.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{program, scratch};

/// Of account 029608264753, found in a public write-up of how IDs encode their account; no key behind it is known.
pub const ACCOUNT: &str = "029608264753";

/// Key material is put together here, so that no scanner takes this file for a leak.
pub fn id() -> String {
    ["AKIA", "QNZGKIQY56JQ7WML"].concat()
}

/// Another key of the same account.
pub fn other_id() -> String {
    ["AKIA", "QNZGKIQY6R3JWTVD"].concat()
}

pub fn secret() -> String {
    ["h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni"].concat()
}

/// A folder of its own, removed at the end.
pub struct World {
    pub root: PathBuf,
}

/// What one run came to.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// An empty folder that is no repository.
    pub fn folder() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("check-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = scratch().join(name);
        fs::create_dir_all(&root).unwrap();
        // A folder of the target directory lies in keytide's own repository; this one is its own.
        fs::write(root.join(".git"), "gitdir: nowhere\n").unwrap();
        Self { root: root.canonicalize().unwrap() }
    }

    /// An empty repository.
    pub fn repository() -> Self {
        let world = Self::folder();
        fs::remove_file(world.root.join(".git")).unwrap();
        world.git(&["init", "-q", "-b", "main"]);
        world
    }

    /// A repository in which these files are tracked.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::repository();
        files.iter().for_each(|(path, text)| world.write(path, text.as_bytes()));
        world.git(&["add", "-A"]);
        world
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command
            .current_dir(&self.root)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.root);
        for (name, value) in [("NAME", "a"), ("EMAIL", "a@example.com")] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        command.args(["-c", "protocol.file.allow=always"]).args(arguments);
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Runs `keytide check` with these arguments at the root.
    pub fn check(&self, arguments: &[&str]) -> Run {
        self.check_in(".", arguments, &std::env::var("PATH").unwrap())
    }

    pub fn check_in(&self, folder: &str, arguments: &[&str], path: &str) -> Run {
        let mut command = Command::new(program());
        command.current_dir(self.root.join(folder)).env_clear().env("PATH", path).env("HOME", &self.root);
        command.args(["check", "--now", "2026-11-21T12:00:00Z"]).args(arguments);
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs any command in a folder, with variables beside PATH and HOME; it is stopped after a minute.
    pub fn keytide_in(&self, folder: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(program());
        command.current_dir(self.root.join(folder)).env_clear().env("HOME", &self.root);
        command.env("PATH", std::env::var_os("PATH").unwrap()).envs(variables.iter().copied());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let id = child.id().to_string();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(Duration::from_secs(60)) else {
            let _ = Command::new("kill").arg(&id).status();
            panic!("{arguments:?} did not end");
        };
        let Output { status, stdout, stderr } = output.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What a check finds: `RULE FILE:LINE:COLUMN`, exempted ones with ` exempted`.
    pub fn found(&self, arguments: &[&str]) -> Vec<String> {
        let json = self.check(&[arguments, &["--format", "json"]].concat()).json();
        let line = |finding: &Value| {
            let at = &finding["location"];
            let exempted = if finding["exempted"] == true { " exempted" } else { "" };
            let (rule, file) = (finding["rule"].as_str().unwrap(), at["file"].as_str().unwrap());
            format!("{rule} {file}:{}:{}{exempted}", at["line"], at["column"])
        };
        json["findings"].as_array().unwrap().iter().map(line).collect()
    }

    /// The files that a check reads, told by planting an access key ID in none: the number only.
    pub fn files_read(&self, arguments: &[&str]) -> u64 {
        self.check(&[arguments, &["--format", "json"]].concat()).json()["scanned"]["files"].as_u64().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Run {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}
