//! Replies of IAM that must not be believed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use aws_credential_types::Credentials;
use aws_sdk_iam::config::{BehaviorVersion, Region};

use super::*;
use crate::ports::BackendError;

const MEMBER: &str = "<UserName>alice</UserName><AccessKeyId>AKIA0000000000000001</AccessKeyId>\
                      <Status>Active</Status><CreateDate>2026-01-01T00:00:00Z</CreateDate>";

/// A client of a server that answers its one request with this reply.
fn client_of(action: &str, result: &str) -> Result<IamClient, std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let body = format!(
        "<{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{action}Result>{result}\
         </{action}Result></{action}Response>"
    );
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let _ = stream.read(&mut [0; 65536])?;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        Ok(())
    });
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new("AKIA0000000000000000", "test", None, None, "test"))
        .build();
    Ok(IamClient::new(Client::from_conf(config)))
}

/// What a rotation gets to see of a refused reply.
fn message<T>(result: Result<T, AwsError>) -> String {
    let Err(error) = result else { return "accepted".to_owned() };
    let error = BackendError::from(error);
    assert_eq!(error.kind, ErrorKind::NotApplied, "{error}");
    error.message
}

fn keys(metadata: &str, more: &str) -> String {
    format!("<AccessKeyMetadata><member>{metadata}</member></AccessKeyMetadata>{more}")
}

#[tokio::test]
async fn a_whole_list_is_taken() -> Result<(), Box<dyn StdError>> {
    let client = client_of("ListAccessKeys", &keys(&MEMBER.replace("Active", "Suspended"), ""))?;
    let found = client.list_access_keys("alice").await?.unwrap_or_default();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].status, KeyStatus::Other("Suspended".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_list_that_lacks_a_page_is_refused() -> Result<(), std::io::Error> {
    for more in ["", "<Marker></Marker>"] {
        let reply = keys(MEMBER, &format!("<IsTruncated>true</IsTruncated>{more}"));
        let said = message(client_of("ListAccessKeys", &reply)?.list_access_keys("alice").await);
        assert!(said.contains("more follows, and not where"), "{more}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_list_that_contradicts_itself_is_refused() -> Result<(), std::io::Error> {
    let more = "<IsTruncated>false</IsTruncated><Marker>next</Marker>";
    let said = message(client_of("ListAccessKeys", &keys(MEMBER, more))?.list_access_keys("alice").await);
    assert!(said.contains("nothing follows, and where"), "{said}");
    let twice = keys(&format!("{MEMBER}</member><member>{MEMBER}"), "<IsTruncated>false</IsTruncated>");
    let said = message(client_of("ListAccessKeys", &twice)?.list_access_keys("alice").await);
    assert!(said.contains("a key twice"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_list_that_does_not_end_is_refused() -> Result<(), std::io::Error> {
    let members: Vec<String> =
        (0..17).map(|number| MEMBER.replace("0000000000000001", &format!("{number:016}"))).collect();
    let many = keys(&members.join("</member><member>"), "<IsTruncated>false</IsTruncated>");
    let said = message(client_of("ListAccessKeys", &many)?.list_access_keys("alice").await);
    assert!(said.contains("more keys than a user can have"), "{said}");
    assert!(ensure_complete_page("iam:ListUsers", true, Some("next"), MAX_PAGES).is_ok());
    assert!(ensure_complete_page("iam:ListUsers", true, Some("next"), MAX_PAGES + 1).is_err());
    assert!(ensure_complete_page("iam:ListUsers", false, Some(""), 1).is_ok());
    Ok(())
}

#[tokio::test]
async fn a_reply_about_another_user_is_refused() -> Result<(), std::io::Error> {
    let reply = keys(&MEMBER.replace("alice", "bob"), "");
    let listed = message(client_of("ListAccessKeys", &reply)?.list_access_keys("alice").await);
    let used = "<UserName>bob</UserName><AccessKeyLastUsed><Region>N/A</Region><ServiceName>N/A</ServiceName></AccessKeyLastUsed>";
    let used =
        message(client_of("GetAccessKeyLastUsed", used)?.get_last_use("alice", "AKIA0000000000000001").await);
    let user = "<User><Path>/</Path><UserName>bob</UserName><UserId>AIDABOB</UserId><Arn>arn:aws:iam::123456789012:user/bob</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></User>";
    let user = message(client_of("GetUser", user)?.get_user("alice").await);
    for said in [listed, used, user] {
        assert!(said.contains("about another user"), "{said}");
    }
    Ok(())
}

const CREDENTIAL: &str = "<UserName>alice</UserName><Status>Active</Status>\
                          <CreateDate>2026-01-01T00:00:00Z</CreateDate>\
                          <ServiceSpecificCredentialId>ACCA0000000000000001</ServiceSpecificCredentialId>\
                          <ServiceName>codecommit.amazonaws.com</ServiceName>";
const LIST: &str = "ListServiceSpecificCredentials";

fn credentials(metadata: &str, more: &str) -> String {
    format!("<ServiceSpecificCredentials><member>{metadata}</member></ServiceSpecificCredentials>{more}")
}

#[tokio::test]
async fn a_list_of_service_credentials_is_taken() -> Result<(), Box<dyn StdError>> {
    let end = "<ExpirationDate>2027-01-01T00:00:00Z</ExpirationDate>";
    let reply = credentials(&format!("{CREDENTIAL}{end}"), "<IsTruncated>false</IsTruncated>");
    let found = client_of(LIST, &reply)?.list_service_credentials("alice").await?.unwrap_or_default();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].service, "codecommit.amazonaws.com");
    assert_eq!(found[0].expires_at, Some("2027-01-01T00:00:00Z".parse()?));
    Ok(())
}

/// The SDK fills in each of these, so that a credential would be of no service, of 1970, or of a strange status.
#[tokio::test]
async fn a_service_credential_without_a_field_is_refused() -> Result<(), Box<dyn StdError>> {
    for element in
        CREDENTIAL.split_inclusive('>').filter(|part| part.starts_with('<') && !part.starts_with("</"))
    {
        let name = element.trim_matches(['<', '>']);
        let end = format!("</{name}>");
        let (before, rest) = CREDENTIAL.split_once(element).unwrap_or_default();
        let (_, after) = rest.split_once(&end).unwrap_or_default();
        // The SDK itself refuses an empty date
        for (left, expected) in [
            (String::new(), "a credential without user, ID, service, status or date"),
            (format!("{element}{end}"), "unexpected reply"),
        ] {
            let reply = credentials(&format!("{before}{left}{after}"), "<IsTruncated>false</IsTruncated>");
            let said = message(client_of(LIST, &reply)?.list_service_credentials("alice").await);
            assert!(said.contains(expected), "{name} {left}: {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_list_of_service_credentials_that_contradicts_itself_is_refused() -> Result<(), std::io::Error> {
    for (more, expected) in [
        ("<IsTruncated>true</IsTruncated>", "more follows, and not where"),
        ("<IsTruncated>true</IsTruncated><Marker></Marker>", "more follows, and not where"),
        ("<IsTruncated>false</IsTruncated><Marker>next</Marker>", "nothing follows, and where"),
    ] {
        let client = client_of(LIST, &credentials(CREDENTIAL, more))?;
        let said = message(client.list_service_credentials("alice").await);
        assert!(said.contains(expected), "{more}: {said}");
    }
    let twice = credentials(&format!("{CREDENTIAL}</member><member>{CREDENTIAL}"), "");
    let said = message(client_of(LIST, &twice)?.list_service_credentials("alice").await);
    assert!(said.contains("a credential twice"), "{said}");
    let members: Vec<String> =
        (0..201).map(|number| CREDENTIAL.replace("0000000000000001", &format!("{number:016}"))).collect();
    let many = credentials(&members.join("</member><member>"), "");
    let said = message(client_of(LIST, &many)?.list_service_credentials("alice").await);
    assert!(said.contains("more credentials than a user can have"), "{said}");
    let other = credentials(&CREDENTIAL.replace("alice", "bob"), "");
    let said = message(client_of(LIST, &other)?.list_service_credentials("alice").await);
    assert!(said.contains("about another user"), "{said}");
    Ok(())
}
