//! Who a person is to a client (OpenID Connect Core §8): everywhere the same, `public`. Subjects
//! are made by the server, never reused, and are not clients' identifiers (RFC 9700 §4.15).

use crate::{
    base::id::{ClientId, UserId},
    oauth::{
        code::ErrorCode::InvalidToken,
        refusal::{Refusal, refuse},
    },
};

/// The subject of an access token, told apart by whom it acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A person.
    Person(UserId),
    /// A client on its own account: `sub` is its `client_id` (RFC 9068 §2.2).
    Client(ClientId),
}

impl Subject {
    /// Reads `sub` beside `client_id`: they are equal exactly where no person is behind the token.
    ///
    /// # Errors
    /// `invalid_token` where one of them is no identifier.
    pub fn of(sub: &str, client_id: &str) -> Result<Self, Refusal> {
        let client = ClientId::parse(client_id);
        match (client, UserId::parse(sub)) {
            (Some(client), Some(_)) if sub == client_id => Ok(Self::Client(client)),
            (Some(_), Some(user)) => Ok(Self::Person(user)),
            _ => refuse(InvalidToken, "the access token names nobody"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b16_a_client_is_never_taken_for_a_person() {
        assert!(matches!(Subject::of("usr_ada", "cli_app"), Ok(Subject::Person(_))));
        assert!(matches!(Subject::of("cli_app", "cli_app"), Ok(Subject::Client(_))));
        assert!(Subject::of("", "cli_app").is_err());
    }
}
