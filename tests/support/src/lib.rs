//! What every test needs: the program with a clean environment, a folder of its own, a policy, the peers.
#![allow(clippy::disallowed_methods, reason = "tests read files, time and the environment, and run programs")]

pub mod aws_cli;
pub mod check;
pub mod destinations;
pub mod emulator;
pub mod emulator_process;
pub mod encryption;
pub mod leak_search;
pub mod openbao;
pub mod oracle;
pub mod peers;
pub mod replies;
pub mod scenarios;
pub mod sops;
pub mod stores;
pub mod tools;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The folder that Cargo builds into; a test runs from `deps` in it.
fn build_folder() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// The built `keytide`. Cargo builds it before it runs a suite of this package.
pub fn program() -> PathBuf {
    let program = build_folder().join(format!("keytide{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is not built; run the suite with `cargo test`", program.display());
    program
}

/// A folder below `target` for what the tests write.
pub fn scratch() -> PathBuf {
    let scratch = build_folder().with_file_name("tmp");
    std::fs::create_dir_all(&scratch).unwrap();
    scratch
}

/// A new, empty folder below `target`.
pub fn folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = scratch().join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// One run of the program, to be.
pub struct Keytide {
    command: Command,
    folder: PathBuf,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Keytide {
    /// With these arguments, in a folder of its own, with an environment that holds nothing of this machine's.
    pub fn new(arguments: &[&str]) -> Self {
        let folder = folder();
        let mut command = Command::new(program());
        command.args(arguments).current_dir(&folder).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &folder);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        // The folder is below `target`, which is in keytide's own repository.
        command.env("GIT_CEILING_DIRECTORIES", scratch());
        Self { command, folder }
    }

    /// With credentials that every emulator takes, and its address. It is reached without encryption: the certificates of
    /// the system, which take a run longer to read than many a command takes, are not needed.
    pub fn against(self, endpoint: &str) -> Self {
        let certificates = root().join("tests/fixtures/certificate.pem");
        self.env("AWS_ACCESS_KEY_ID", "test")
            .env("SSL_CERT_FILE", certificates.to_str().unwrap())
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .arg("--endpoint-url")
            .arg(endpoint)
    }

    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// A file in the folder of the run.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// The policy file where it is looked for.
    pub fn policy(self, text: &str) -> Self {
        self.file("keytide.yml", text)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What a GitHub workflow gives a Docker action, its files included.
    pub fn in_action(self, inputs: &[(&str, &str)]) -> Self {
        let (output, summary) = (self.path("output"), self.path("summary.md"));
        std::fs::write(&output, "").unwrap();
        let run = self
            .env("GITHUB_ACTIONS", "true")
            .env("CI", "true")
            .env("GITHUB_OUTPUT", output.to_str().unwrap())
            .env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap());
        inputs
            .iter()
            .fold(run, |run, (name, value)| run.env(&format!("INPUT_{}", name.to_uppercase()), value))
    }

    /// Starts it, for a test that does something meanwhile.
    pub fn start(mut self) -> Child {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keytide starts")
    }

    /// Starts it by a line of the shell's, in which `"$@"` is the command.
    pub fn start_by(self, line: &str) -> Child {
        let mut command = self.behind(line, Path::new("sh"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh starts")
    }

    /// The same behind a line of the shell's, whose `$0` is a path.
    fn behind(&self, line: &str, path: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).arg(path);
        command.arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        let set = self.command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(set).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Runs until a peer kills it, which it must; its process ID is written to a file first.
    pub fn run_to_be_killed(self, pid_file: &Path) {
        let mut command = self.behind("echo $$ > \"$0\"; exec \"$@\"", pid_file);
        let output = command.output().expect("sh starts");
        let killed = std::os::unix::process::ExitStatusExt::signal(&output.status);
        assert_eq!(killed, Some(9), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Runs it as the last arguments of another program.
    pub fn run_behind(mut self, program: &[&str]) -> Ran {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        let set = self.command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(set).current_dir(&self.folder).stdin(Stdio::null());
        self.command = command;
        self.run()
    }

    pub fn run(mut self) -> Ran {
        let Output { status, stdout, stderr } = self.command.output().expect("keytide starts");
        Ran {
            exit: status.code().expect("keytide ends by itself"),
            stdout: String::from_utf8(stdout).expect("UTF-8"),
            stderr: String::from_utf8(stderr).expect("UTF-8"),
        }
    }
}

impl Ran {
    /// Asserts the exit code and shows everything when it is another.
    #[track_caller]
    pub fn exits(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// `rule severity user: message` for each finding of a JSON report.
    pub fn findings(&self) -> Vec<String> {
        let json = self.json();
        let line = |f: &serde_json::Value| {
            let text = |name: &str| f[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}: {}", text("rule"), text("severity"), text("user"), text("message"))
        };
        json["findings"].as_array().unwrap().iter().map(line).collect()
    }
}

/// Whether generated files are to be written (`KEYTIDE_BLESS=1`) and not compared.
pub fn blessing() -> bool {
    std::env::var_os("KEYTIDE_BLESS").is_some_and(|value| value == "1")
}

/// Compares a text with a committed file, or writes that file.
#[track_caller]
pub fn matches_file(path: &Path, text: &str) {
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    if committed == text {
        return;
    }
    if blessing() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let name = path.strip_prefix(root()).unwrap_or(path).display();
    panic!("{name} is not up to date: run `cargo bless` and look at the change\n{}", diff(&committed, text));
}

/// The lines that differ, for the message of a failed test.
fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let part = |lines: &[&str], sign: &str| {
        lines.iter().skip(same).take(12).map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    format!("from line {}:\n{}{}", same + 1, part(&old, "-"), part(&new, "+"))
}

/// Runs commands that write at the same time, each after its delay. None fails by the other.
///
/// # Panics
/// A command ends as none should.
pub fn run_at_once(runs: impl IntoIterator<Item = (Keytide, std::time::Duration)>) {
    std::thread::scope(|scope| {
        for (run, delay) in runs {
            scope.spawn(move || {
                std::thread::sleep(delay);
                let run = run.run();
                assert!([0, 1, 3].contains(&run.exit), "{}\n{}", run.stdout, run.stderr);
            });
        }
    });
}
