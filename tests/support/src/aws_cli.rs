//! The real AWS CLI, as copies of one process for all tests of a suite; see `tests/emulators/aws_cli.py`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::tools::{python, python_tool};
use super::{folder, root};

/// What finds the process that is copied.
struct AwsCli {
    /// It ends when its standard input does: with this suite.
    _process: Child,
    socket: PathBuf,
    /// The folder of a program `aws`.
    programs: PathBuf,
}

fn start() -> AwsCli {
    // Not below `target`: the name of a socket has at most 107 bytes.
    let socket = std::env::temp_dir().join(format!("keytide-aws-{}", std::process::id()));
    let _ = std::fs::remove_file(&socket);
    let mut process = python()
        .arg(root().join("tests/emulators/aws_cli.py"))
        .arg(&socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the AWS CLI starts");
    let mut ready = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert_eq!(ready.trim(), "ready");
    let programs = folder();
    let program = programs.join("aws");
    let script = include_str!("../../emulators/launch_aws_cli.py");
    std::fs::write(&program, format!("#!{} -SE\n{script}", python_tool("python").display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    AwsCli { _process: process, socket, programs }
}

/// Lets a program, whose environment is cleared, find `aws`, and after it what `path` lists.
pub fn offer_aws_cli(program: &mut Command, path: &OsString) {
    static CLI: OnceLock<AwsCli> = OnceLock::new();
    let cli = CLI.get_or_init(start);
    let paths = std::iter::once(cli.programs.clone()).chain(std::env::split_paths(path));
    program.env("PATH", std::env::join_paths(paths).unwrap()).env("AWS_CLI_SOCKET", &cli.socket);
}
