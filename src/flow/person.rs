//! What is known of a person, in the names of the standard claims (OpenID Connect Core §5.1).

use crate::{account::user::User, base::fault::Fault, oidc::claims::Person};
use serde_json::{Value, json};

/// The facts that claims are told from.
///
/// # Errors
/// A fault where the profile cannot be written as JSON.
pub fn of(user: &User) -> Result<Person, Fault> {
    let profile = serde_json::to_value(&user.profile).map_err(|e| Fault::new("writing a profile", e))?;
    let Value::Object(mut known) = profile else { return Err(Fault::bare("a profile that is no object")) };
    known.insert("preferred_username".to_owned(), json!(user.username.as_str()));
    known.insert("updated_at".to_owned(), json!(user.updated_at.unix()));
    Ok(Person { sub: user.id.clone(), known })
}
