//! Inspects a file after its encryption and before it is written, as every later run will inspect it.

use super::encryption::{SealError, SealedDestination};
use super::kind::FileDestination;

/// What a destination's file was given, once its new bytes pass the inspection of every later run.
///
/// # Errors
/// The inspection finds a problem.
pub fn inspect_sealed_file(
    destination: &dyn FileDestination,
    key_id: &str,
    bytes: &[u8],
) -> Result<SealedDestination, SealError> {
    let file = destination.credential_file();
    let inspection = destination.inspect_file(bytes);
    let Some(digest) = inspection.credential_sha256 else {
        let why = inspection.problems.first().map_or("it holds nothing", |problem| &problem.message);
        return Err(SealError::internal_fault(
            file,
            format!("the file that would be written is wrong: {why}"),
        ));
    };
    let sealed = SealedDestination::new(destination.kind_name(), file, key_id);
    Ok(SealedDestination { credential_sha256: Some(digest), ..sealed })
}
