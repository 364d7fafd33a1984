//! Checks the user's tag `keytide:destinations`, with which an administrator pins the recipients of new keys.

use crate::destinations::kind::describe_recipient;
use crate::iam::UserRecord;
use crate::rotation::{Recipients, recipients};

/// The tag that says to which destinations and recipients a new key may go.
const DESTINATIONS_TAG: &str = "keytide:destinations";

/// Checks that the user's tag, if there is one, is for exactly these destinations and recipients.
///
/// # Errors
/// The tag is for others; the message says where the key would go, and how to set the tag.
pub fn ensure_destinations_approved(
    user: &UserRecord,
    name: &str,
    recipients: &Recipients,
) -> Result<(), String> {
    let Some(tag) = user.tags.get(DESTINATIONS_TAG) else { return Ok(()) };
    // One digest of all destinations, so that a recipient who is added to any of them is noticed
    let approval = recipients::approval_digest(recipients);
    if *tag == approval {
        return Ok(());
    }
    let places: Vec<String> = recipients
        .iter()
        .map(|(place, names)| match names.is_empty() {
            true => format!("`{place}`"),
            false => format!(
                "`{place}` for {}",
                names.iter().map(|name| describe_recipient(name)).collect::<Vec<_>>().join(", ")
            ),
        })
        .collect();
    Err(format!(
        "the user's tag `{DESTINATIONS_TAG}` is for other destinations or recipients; the new key would go to {}; if \
         that is right: `aws iam tag-user --user-name {name} --tags Key={DESTINATIONS_TAG},Value={approval}`",
        places.join("; ")
    ))
}
