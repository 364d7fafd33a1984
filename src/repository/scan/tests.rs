use super::*;
use crate::repository::allow_comment::ALLOW_MARKER;
use crate::repository::{ScannedFile, scan_file};

const ID: &str = concat!("AKIA", "QNZGKIQY56JQ7WML");
const SECRET: &str = concat!("h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni");

/// What was found, as `LINE:COLUMN id` and `LINE:COLUMN secret`.
fn found(text: &str) -> Vec<String> {
    let scan = Scanner::new().scan(text.as_bytes());
    let mut lines = Vec::new();
    for hit in &scan.matches {
        let what = match &hit.material {
            KeyMaterial::KeyId(_) => "id",
            KeyMaterial::Secret { .. } => "secret",
        };
        lines.push(format!("{}:{} {what}", hit.at.line, hit.at.column));
    }
    lines
}

/// The secret access key with its special characters escaped.
fn escaped_secret(slash: &str, plus: &str) -> String {
    SECRET.replace('/', slash).replace('+', plus)
}

/// A Secret of Kubernetes with one value.
fn manifest(value: &str) -> String {
    format!("data:\n  é: x\n  user-data: {value}\nkind: Secret\n")
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn an_id_alone_is_found_at_its_position() {
    assert_eq!(found(&format!("x\né = '{ID}'\n")), ["2:6 id"]);
    assert_eq!(found(&format!("X{ID} {ID}7 _{ID}")), Vec::<String>::new());
    assert_eq!(found(&format!("\"a\\n{ID}\\n\"")), ["1:5 id"]);
}

#[test]
fn a_secret_is_found_near_an_id_or_behind_a_name() {
    assert_eq!(found(&format!("{ID},{SECRET}\n")), ["1:1 id", "1:22 secret"]);
    assert_eq!(found(&format!("id: {ID}\na: 1\nb: 2\nsecret: {SECRET}\n")), ["1:5 id", "4:9 secret"]);
    assert_eq!(found(&format!("export AWS_SECRET_ACCESS_KEY='{SECRET}'")), ["1:31 secret"]);
    assert_eq!(found(&format!("- name: AWS_SECRET_ACCESS_KEY\n  value: {SECRET}")), ["2:10 secret"]);
    assert_eq!(found(&format!("secret_key = \"{SECRET}\"")), ["1:15 secret"]);
    assert_eq!(found(&format!("secret_key = 1\nx = \"{SECRET}\"")), Vec::<String>::new());
    assert_eq!(found(&format!("x = \"{SECRET}\"")), Vec::<String>::new());
    assert_eq!(found(&format!("{ID}{}{SECRET}", "\n".repeat(9))), ["1:1 id"]);
}

#[test]
fn escapes_hide_nothing() {
    let escaped = SECRET.replace('/', "%2F").replace('+', "%2B");
    assert_eq!(found(&format!("s3://{ID}:{escaped}@bucket")), ["1:6 id", "1:27 secret"]);
    let escaped = SECRET.replace('/', "\\/");
    assert_eq!(found(&format!("{{\"secretKey\":\"{escaped}\"}}")), ["1:15 secret"]);
    assert_eq!(found(&format!("\"aws_secret_access_key = {SECRET}\\n\"")).len(), 1);
    let escaped = SECRET.replace('+', "\\u002B");
    assert_eq!(found(&format!("\"SecretKey\": \"{escaped}\"")), ["1:15 secret"]);
    assert_eq!(
        found(&format!("id=\x1b[33m{ID}\x1b[0m\nkey=\x1b[1;33m{SECRET}\x1b[0m")),
        ["1:9 id", "2:12 secret"]
    );
    assert_eq!(found(&format!("{ID}/{SECRET}")), ["1:1 id", "1:22 secret"]);
}

#[test]
fn escapes_within_escapes_hide_nothing() {
    for text in [
        format!(
            "<td>AccessKeyId</td><td>{ID}</td><td>SecretAccessKey</td><td>{}</td>",
            escaped_secret("&#x2F;", "&#43;")
        ),
        format!("c={{accessKeyId:'{ID}',secretAccessKey:'{}'}}", escaped_secret("\\x2F", "\\x2B")),
        format!(
            "{{\"m\":\"{{\\\"AccessKeyId\\\":\\\"{ID}\\\",\\\"SecretAccessKey\\\":\\\"{}\\\"}}\"}}",
            escaped_secret("\\\\/", "+")
        ),
        format!("GET /login?next=s3%253A%252F%252F{ID}%253A{}%2540bucket", escaped_secret("%252F", "%252B")),
        format!("sed 's/@KEY@/{ID}/; s/@SECRET_ACCESS_KEY@/{}/' config", escaped_secret("\\/", "+")),
    ] {
        let found = found(&text);
        assert!(
            found.len() == 2 && found[0].ends_with("id") && found[1].ends_with("secret"),
            "{text}: {found:?}"
        );
        let scan = Scanner::new().scan(format!("{text} {ID}\n").as_bytes());
        assert!(
            scan.matches.iter().all(|hit| !hit.excerpt.text.contains(&SECRET[..4])),
            "{:?}",
            scan.matches
        );
    }
}

#[test]
fn many_pairs_are_compared_with_their_neighbours_only() {
    let lines: String = (0..40_000).map(|_| format!("{ID},{SECRET}\n")).collect();
    let scan = Scanner::new().scan(lines.as_bytes());
    assert_eq!(scan.matches.len(), 2 * MAX_MATCHES);
    assert_eq!(scan.omitted, 2 * (40_000 - MAX_MATCHES));
}

#[test]
fn allow_comments_without_end_are_read_once_and_few_are_kept() {
    let markers = 100_000;
    for (unit, comments) in [
        (format!("#{ALLOW_MARKER}"), markers),
        (format!("#{ALLOW_MARKER}\n"), markers),
        (ALLOW_MARKER.to_owned(), 1),
    ] {
        let text = unit.repeat(markers);
        let scan = Scanner::new().scan(text.as_bytes());
        assert_eq!(scan.comments.len(), comments.min(MAX_COMMENTS), "{unit}");
        assert_eq!(scan.omitted_comments, comments - scan.comments.len(), "{unit}");
        assert!(scan.comments.iter().all(|comment| comment.rules.is_empty()), "{unit}");
        assert!(scan.steps < 8 * text.len() as u64, "{unit}: {} steps for {} bytes", scan.steps, text.len());
    }
}

/// A file whose lines end with carriage returns is one line to Git, and would be accepted as a whole.
#[test]
fn a_comment_in_a_divided_line_accepts_nothing() {
    let comment = format!("# {ALLOW_MARKER}exposed-key-id -- a sample");
    for (text, accepts) in [
        (format!("{ID} {comment}\r\n"), true),
        (format!("a\rb\n{ID} {comment}\na\rb\n"), true),
        (format!("{comment}\r\n{ID}\r\n"), true),
        (format!("x {comment}\r{ID}\r"), false),
        (format!("{ID}\rx {comment}\r"), false),
        (format!("x {comment}\u{2028}{ID}"), false),
        (format!("x {comment} x {comment}\u{b}{ID}"), false),
        (format!("{comment}\n{ID}\ry"), false),
    ] {
        let file = scan_file(&Scanner::new(), "x", text.as_bytes());
        let found = file.find_allow_comment("exposed-key-id", file.matches[0].at.line);
        assert_eq!(found.is_some(), accepts, "{text:?}");
    }
}

/// What is left out accepts nothing: neither a comment too many nor one of a later window.
#[test]
fn a_finding_behind_too_many_allow_comments_is_not_accepted() {
    let line = format!("{ID} # {ALLOW_MARKER}exposed-key-id -- a sample\n");
    let filler = format!("x # {ALLOW_MARKER}exposed-key-id -- a sample\n");
    for (fillers, is_accepted) in [(MAX_COMMENTS - 1, true), (MAX_COMMENTS, false)] {
        let text = format!("{}{line}", filler.repeat(fillers));
        let whole = scan_file(&Scanner::new(), "x", text.as_bytes());
        let mut parts = ScannedFile::default();
        let (from, length) = (filler.len() * 600, text.len());
        parts.add_window(Scanner::new().scan_window(text.as_bytes(), 0..from, Cursor::default()));
        let cursor = Cursor::default().after(&text.as_bytes()[..from]);
        parts.add_window(Scanner::new().scan_window(text.as_bytes(), from..length, cursor));
        for file in [whole, parts] {
            let at = file.matches[0].at.line;
            let accepts = file.comments.iter().any(|comment| comment.covers_finding("exposed-key-id", at));
            assert_eq!((accepts, file.omitted_comments), (is_accepted, usize::from(!is_accepted)));
            assert_eq!(file.comments.len(), MAX_COMMENTS);
        }
    }
}

#[test]
fn base64_hides_nothing() {
    let (id, secret) = (base64(ID), base64(SECRET));
    let manifest = format!("kind: Secret\ndata:\n  a: {id}\n  b: {secret}\n");
    assert_eq!(found(&manifest), ["3:6 id", "4:6 secret"]);
    let file = base64(&format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"));
    assert_eq!(found(&format!("data:\n  credentials: {file}\n")), ["2:16 id", "2:16 secret"]);
    assert_eq!(found(&format!("AWS_SECRET_ACCESS_KEY: {secret}")), ["1:24 secret"]);
}

#[test]
fn base64_of_base64_hides_nothing_near_the_word_secret() {
    let file = base64(&format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"));
    for inner in
        [file.clone(), format!("#cloud-config\ncontent: {file}\n"), format!("a{file}"), format!("é{file}")]
    {
        assert_eq!(found(&manifest(&base64(&inner))), ["3:14 id", "3:14 secret"], "{inner}");
    }
    let scan = Scanner::new().scan(manifest(&base64(&file)).as_bytes());
    assert!(scan.matches.iter().all(|hit| hit.encoded && hit.excerpt.text.starts_with("user-data: ")));
    assert!(scan.matches.iter().all(|hit| !hit.excerpt.text.contains(&base64(&file)[..8])));

    let lines: Vec<String> =
        base64(&file).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let wrapped = manifest(&format!("|\n    {}", lines.join("\n    ")));
    assert_eq!(found(&wrapped), ["4:5 id", "4:5 secret"]);

    let (id, secret) = (base64(&base64(ID)), base64(&base64(SECRET)));
    assert_eq!(found(&format!("kind: Secret\ndata:\n  a: {id}\n  b: {secret}\n")), ["3:6 id", "4:6 secret"]);
    assert_eq!(found(&format!("AWS_SECRET_ACCESS_KEY: {secret}")), ["1:24 secret"]);
    // Three layers are one too many, and two are only decoded near the word.
    assert_eq!(found(&manifest(&base64(&base64(&file)))), Vec::<String>::new());
    assert_eq!(found(&format!("user-data: {}", base64(&file))), Vec::<String>::new());
    // One ID in both layers of a text is reported once per layer.
    assert_eq!(found(&manifest(&base64(&format!("{ID} {}", base64(ID))))), ["3:14 id", "3:14 id"]);
}

#[test]
fn quoted_printable_hides_nothing() {
    let (id_head, id_tail) = ID.split_at(9);
    let (head, tail) = SECRET.split_at(17);
    for (text, expected) in [
        (format!("AWS_ACCESS_KEY_ID=3D{ID}\nAWS_SECRET_ACCESS_KEY=3D{SECRET}\n"), ["1:21 id", "2:25 secret"]),
        (format!("KEY_ID=3D{ID}\r\nSECRET_KEY=3D{head}=\r\n{tail}\r\n"), ["1:10 id", "2:14 secret"]),
        (
            format!(
                "Content-Transfer-Encoding: quoted-printable\n\n{{\"id\": \"{id_head}=\n{id_tail}\",=\n \"secret\": \"{}\"}}\n",
                SECRET.replace('/', "=2F").replace('+', "=2b")
            ),
            ["3:9 id", "5:13 secret"],
        ),
    ] {
        assert_eq!(found(&text), expected, "{text}");
    }
    // What is found without decoding is reported once, and a value that begins like a sequence stays itself.
    let plain = format!("{ID}\nAWS_SECRET_ACCESS_KEY={SECRET}\nx=3D1\n");
    assert_eq!(found(&plain), ["1:1 id", "2:23 secret"]);
    let like = format!("AWS_SECRET_ACCESS_KEY=2F{}\nx=3D1\n", &SECRET[2..]);
    assert_eq!(found(&like), ["1:23 secret"]);
}

#[test]
fn the_secret_of_another_service_beside_a_key_id_is_no_secret_of_it() {
    for text in [
        format!("AWS_ACCESS_KEY_ID={ID}\nJWT_SECRET_KEY={SECRET}\n"),
        format!("{{\"cookieSecret\":\"{SECRET}\",\"id\":\"{ID}\"}}"),
        format!("# {ID}\n- name: SESSION_SECRET\n  value: {}\n", base64(SECRET)),
    ] {
        assert!(found(&text).iter().all(|hit| hit.ends_with("id")), "{text}");
    }
    let both = format!("AWS_ACCESS_KEY_ID={ID}\nJWT_SECRET=\nAWS_SECRET_ACCESS_KEY={SECRET}\nX={SECRET}\n");
    assert_eq!(found(&both), ["1:19 id", "3:23 secret", "4:3 secret"]);
}

#[test]
fn encrypted_values_examples_and_blocks_are_nothing() {
    for text in [
        "aws_secret_access_key: ENC[AES256_GCM,data:h8KqT2vXnB5aTzLw9RfYc3JdPm7sGaQe1UoVx4Ni,iv:x,tag:y,type:str]".to_owned(),
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n".to_owned(),
        format!("secret_key: ${{{{ secrets.A }}}} # {SECRET}"),
        format!("SESSION_SECRET_KEY={SECRET}"),
        format!("{{\"names\":[\"awsSecretKey\"],\"mappings\":\"AAAA,{SECRET}\"}}"),
    ] {
        assert_eq!(found(&text), Vec::<String>::new(), "{text}");
    }
    let block = format!("{ID}\n{}\n{SECRET}\n-----END", "h8Kq".repeat(16));
    assert_eq!(found(&block), ["1:1 id"]);
}

#[test]
fn windows_find_what_the_whole_finds() {
    let text = format!("{}\nkey {ID} {SECRET}\n", "line\n".repeat(9_000)).repeat(3);
    let whole = Scanner::new().scan(text.as_bytes());
    let (mut hits, mut cursor, mut from) = (Vec::new(), Cursor::default(), 0);
    while from < text.len() {
        let to = text.len().min(from + 30_000);
        let (left, right) = (from.saturating_sub(WINDOW_MARGIN), text.len().min(to + WINDOW_MARGIN));
        let scan = Scanner::new().scan_window(&text.as_bytes()[left..right], from - left..to - left, cursor);
        cursor = cursor.after(&text.as_bytes()[from..to]);
        from = to;
        hits.extend(scan.matches);
    }
    assert_eq!(hits.len(), 6);
    assert_eq!(hits, whole.matches);
}
