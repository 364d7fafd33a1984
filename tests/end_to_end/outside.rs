//! The page about a key for a third party: its policy, its commands, and a vendor who takes weeks.
//!
//! The vendor's program is age's command line, which pyrage plays here.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::check;
use crate::support::peers::POLICY;
use crate::support::stores::Stored;
use crate::support::tools::python_tool;
use crate::support::{folder, root};

const FILE: &str = "vendors/acme.env.age";

/// `age-keygen -o FILE` and `age --decrypt -i FILE FILE`, by another implementation than keytide's.
const AGE: &str = r#"
import pathlib, sys
import pyrage
name, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
if name == "age-keygen":
    assert arguments[0] == "-o"
    identity = pyrage.x25519.Identity.generate()
    pathlib.Path(arguments[1]).write_text(f"{identity}\n")
    print(f"Public key: {identity.to_public()}")
else:
    assert arguments[:2] == ["--decrypt", "-i"]
    identity = pyrage.x25519.Identity.from_str(pathlib.Path(arguments[2]).read_text().strip())
    sys.stdout.write(pyrage.decrypt(pathlib.Path(arguments[3]).read_bytes(), [identity]).decode())
"#;

/// The blocks of a language on the page, in their order, without their indent.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let start = format!("   ```{language}\n");
    let found = page.split(&start).skip(1).map(|rest| rest.split("   ```").next().unwrap());
    found
        .map(|block| {
            block.lines().map(|line| format!("{}\n", line.strip_prefix("   ").unwrap_or(line))).collect()
        })
        .collect()
}

/// Runs commands of the page as the vendor.
fn run(commands: &str, place: &Path) -> String {
    let programs = place.join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    for name in ["age", "age-keygen"] {
        let script = format!("#!{}\n{AGE}", python_tool("python").display());
        std::fs::write(programs.join(name), script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(programs.join(name), mode).unwrap();
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", commands])
        .env("PATH", path)
        .current_dir(place)
        .output();
    let output = output.expect("bash starts");
    assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The old key stays active for as long as the vendor goes on with it, and is retired once the vendor uses the new one.
#[test]
fn a_vendor_takes_weeks_and_loses_no_access() {
    let page = std::fs::read_to_string(root().join("docs/outside.md")).unwrap();
    let (commands, policies) = (blocks(&page, "sh"), blocks(&page, "yaml"));
    let ([keygen, decrypt], [policy]) = (&commands[..], &policies[..]) else { panic!("{commands:?}") };
    let vendor = folder();
    let printed = run(keygen, &vendor);
    let recipient = printed.trim().strip_prefix("Public key: ").unwrap();
    let policy = policy.replace("age1...", recipient).replace("acme-vendor", "ci-deployer");
    assert!(policy.contains(FILE));

    let mut stored = Stored::new(&[]);
    stored.github.push(&[(POLICY, policy.as_bytes())]);
    let (old, secret) = stored.first();
    let held = RefCell::new((old.clone(), secret));
    let used = |_: &Stored| held.borrow().clone();
    stored.until("proposed", &used);
    stored.merge();
    stored.until("grace", &used);
    for _ in 0..40 {
        stored.pass(24);
        let report = stored.rotate(&used).json();
        assert_eq!(report["rotations"][0]["phase"], "grace", "{report:#}");
        assert_eq!(stored.keys()[&old].1, "Active");
    }

    let file = stored.github.state()["files"][FILE].as_str().unwrap().to_owned();
    std::fs::create_dir_all(vendor.join("vendors")).unwrap();
    std::fs::write(vendor.join(FILE), STANDARD.decode(file).unwrap()).unwrap();
    let text = run(decrypt, &vendor);
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let new = value("AWS_ACCESS_KEY_ID=");
    *held.borrow_mut() = (new.clone(), value("AWS_SECRET_ACCESS_KEY="));
    assert_ne!(new, old);
    stored.until("soaking", &used);
    assert_eq!(stored.keys()[&old].1, "Inactive");
    // So much time has passed that the next rotation begins at once.
    for _ in 0..40 {
        stored.pass(24);
        stored.rotate(&used);
        if !stored.keys().contains_key(&old) {
            assert_eq!(stored.keys()[&new].1, "Active");
            return;
        }
    }
    panic!("the old key is never deleted");
}

/// The policy file of the page passes a check before its file is there, and the path is named in case it is a mistake. Once a
/// rotation has made the file, its loss is an error.
#[test]
fn a_file_that_the_first_rotation_makes_may_be_missing() {
    let page = std::fs::read_to_string(root().join("docs/outside.md")).unwrap();
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let policy = blocks(&page, "yaml")[0].replace("age1...", recipient);
    let world = check::World::with(&[(POLICY, &policy)]);
    let run = world.check(&[]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.contains("warning") && run.stdout.contains(FILE), "{}", run.stdout);
    assert!(run.stdout.contains("the first rotation makes the file"), "{}", run.stdout);
    let lock = r#"{"version":1,"user":"acme-vendor","rotated_at":"2026-01-01T00:00:00Z","destinations":[]}"#;
    world.write(".github/keytide/acme-vendor.lock.json", lock.as_bytes());
    world.git(&["add", "-A"]);
    assert_eq!(world.check(&[]).code, 1);
    let missing =
        policy.replace(&format!("file: {FILE}"), &format!("recipients_file: keys.txt, file: {FILE}"));
    let missing =
        missing.replace(&format!("recipients: [{recipient}]"), "armor: true").replace(", armor: true", "");
    let world = check::World::with(&[(POLICY, &missing)]);
    assert_eq!(world.check(&[]).code, 1, "the file with the recipients has to be there");
}
