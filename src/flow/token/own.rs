//! A client on its own account (RFC 6749 §4.4). The whole of it runs in memory: no database, no
//! other thread but where the signing key is elsewhere; its event is written with the next batch.

use super::mint::{self, Minted, Press, Signed};
use crate::{
    audit::{Also, Event, Origin},
    base::{scope::Scope, uri::Resource},
    flow::{clients::Listed, world::World},
    oauth::{
        client::{Client, GrantType},
        engine::{self, Ended, OwnAccount},
        grant::client_credentials::{Request, judge},
        issue::{Issued, TokenType, token_name},
        proof::Proven,
    },
};
use std::{collections::BTreeSet, sync::Arc};

struct Asking<'a> {
    client: &'a Client,
    request: &'a Request,
    press: Press<'a>,
    jti: String,
    granted: Option<(Scope, BTreeSet<Resource>)>,
}

impl OwnAccount for Asking<'_> {
    type Minted = (Minted, Scope);

    fn negotiate(&mut self) -> Result<(), Ended> {
        self.granted = Some(judge(self.client, self.request)?);
        Ok(())
    }
    fn mint(&mut self) -> Result<(Minted, Scope), Ended> {
        let (scope, resources) = self.granted.take().unwrap_or_default();
        Ok((self.press.access_token(self.client, None, (&scope, &resources), self.jti.clone())?, scope))
    }
}

pub(super) async fn issue(
    world: &Arc<World>,
    proven: &Proven<Listed>,
    (request, jkt): (&Request, Option<&str>),
    origin: &Origin,
) -> Result<Issued, Ended> {
    let client = proven.client();
    let policy = world.policy.load();
    let keyring = mint::keyring(world, [policy.tokens.access_token_alg; 2]).await?;
    let signed = Signed::default();
    let now = proven.handed_in().issues_at(world.now());
    let press = Press { keyring: &keyring, policy: &policy.tokens, now, jkt, signed: &signed };
    let mut asking = Asking { client, request, press, jti: token_name(&*world.dice)?, granted: None };
    let (minted, scope) = loop {
        let minted = engine::client_credentials(&client.id, &mut asking);
        if !signed.more(world, &keyring).await? {
            break minted?;
        }
    };
    world.note(
        origin,
        Event::TokensIssued {
            client: client.id.clone(),
            user: None,
            grant: None,
            grant_type: GrantType::ClientCredentials.wire(),
            scope: scope.clone(),
            audience: minted.audience,
            jti: minted.jti,
            kid: minted.kid,
            also: Also::default(),
        },
    );
    Ok(Issued {
        access_token: minted.token,
        expires_in: minted.lifetime,
        scope,
        refresh_token: None,
        id_token: None,
        token_type: TokenType::of(jkt),
        issued_token_type: None,
    })
}
