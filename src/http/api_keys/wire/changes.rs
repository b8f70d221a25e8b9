//! What `/v1` takes where keys that are there are changed, ended by the thousand, or brought.

use super::{CreateBody, EndingText, OwnerBody};
use crate::{
    apikey::{
        foreign::{self, Strength, Written},
        wanted::Unfit,
        words::{Identifier, Instant},
    },
    base::{
        id::{ApiId, FamilyId},
        moment::Moment,
        secret::Secret,
    },
    flow::api_keys::bulk::{Brought, Import, Item, Outcome},
    http::take::object::{Object, number},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// `POST /v1/keys/revoke`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::api_keys) struct ManyBody {
    /// All of this owner.
    pub(in crate::http::api_keys) owner: Option<Object<OwnerBody>>,
    /// All of this family.
    #[schemars(with = "Option<Identifier>")]
    pub(in crate::http::api_keys) family: Option<FamilyId>,
    /// All for this API.
    #[schemars(with = "Option<Identifier>")]
    pub(in crate::http::api_keys) api: Option<ApiId>,
    /// All made before then.
    #[schemars(with = "Option<Instant>")]
    pub(in crate::http::api_keys) created_before: Option<String>,
    /// All that were not used for so long, as `90d`.
    pub(in crate::http::api_keys) unused_for: Option<String>,
    /// Why, for whoever looks later.
    pub(in crate::http::api_keys) reason: Option<String>,
    /// Only to say how many there are.
    #[serde(default)]
    pub(in crate::http::api_keys) dry_run: bool,
}

/// `POST /v1/keys/{id}/quotas/{name}/grants`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::api_keys) struct GrantBody {
    /// By how many units; below nothing, that is taken back.
    #[serde(deserialize_with = "number")]
    pub(in crate::http::api_keys) amount: i64,
    /// Why, for whoever looks later.
    pub(in crate::http::api_keys) reason: Option<String>,
}

/// `PUT /v1/keys/{id}/quotas/{name}/used`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::api_keys) struct UsedBody {
    /// What was used, in units.
    #[serde(deserialize_with = "number")]
    #[schemars(range(max = 18_446_744_073_709_551_615_u64))]
    pub(in crate::http::api_keys) used: u64,
    /// Why, for whoever looks later.
    pub(in crate::http::api_keys) reason: Option<String>,
}

/// `POST /v1/keys/import`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::api_keys) struct ImportBody {
    /// What they have in common: as for a key that is made.
    like: Object<CreateBody>,
    /// That they may be easy to guess: they are limited for it, and live for 30 days at most.
    #[serde(default)]
    weak: bool,
    /// The key under which the HMACs among them were made: it is sealed, and there may be four in all.
    hmac_key: Option<Object<HmacKey>>,
    /// Each of them.
    #[schemars(length(min = 1, max = 1000))]
    items: Vec<Object<ImportItem>>,
}

/// A key of HMAC, of 1 to 1024 bytes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HmacKey {
    /// It.
    value: String,
    /// How that is written: as it is, where nothing is said.
    #[serde(default)]
    form: HmacKeyForm,
}

/// How a key of HMAC is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum HmacKeyForm {
    /// As it is.
    #[default]
    Plain,
    /// In hexadecimal digits.
    Hex,
    /// In base64 of either alphabet.
    Base64,
}

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HmacKey({:?})", self.form)
    }
}

impl HmacKey {
    fn read(self) -> Result<Secret<Vec<u8>>, Unfit> {
        let written = match self.form {
            HmacKeyForm::Plain => Written::Plain,
            HmacKeyForm::Hex => Written::Hex,
            HmacKeyForm::Base64 => Written::Base64,
        };
        let key = foreign::mac_key(written, &Secret::new(self.value.into_bytes()));
        key.ok_or_else(|| Unfit::Member("hmac_key", "must be 1 to 1024 bytes, written as its form says".to_owned()))
    }
}

/// A key that is brought: by its text, or by the SHA-256 or an HMAC of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImportItem {
    /// Its text, which is hashed at once and kept nowhere.
    key: Option<String>,
    /// The SHA-256 of its text, as 64 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    sha256: Option<String>,
    /// The HMAC-SHA-256 of its text under `hmac_key`, as 64 hexadecimal digits or in base64.
    hmac: Option<String>,
    /// What its owner calls it; as the others where nothing is said.
    name: Option<String>,
}

impl std::fmt::Debug for ImportItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImportItem({:?})", self.name)
    }
}

impl ImportBody {
    /// What it asks for.
    pub(in crate::http::api_keys) fn import(self, now: Moment) -> Result<Import, Unfit> {
        if self.items.is_empty() || self.items.len() > 1000 {
            return Err(Unfit::Member("items", "must be 1 to 1000".to_owned()));
        }
        let mac_key = self.hmac_key.map(|Object(key)| key.read()).transpose()?;
        let unfit = |why: &str| Unfit::Member("items", why.to_owned());
        let item = |Object(item): Object<ImportItem>| {
            let brought = match (item.key, item.sha256, item.hmac) {
                (Some(text), None, None) => Brought::Text(Secret::new(text)),
                (None, Some(hash), None) => Brought::Sha256(
                    foreign::digest_of_hex(&hash)
                        .ok_or_else(|| unfit("have a sha256 that is not 64 hexadecimal digits"))?,
                ),
                (None, None, Some(_)) if mac_key.is_none() => {
                    return Err(Unfit::Member("hmac_key", "is needed for what comes by its HMAC".to_owned()));
                }
                (None, None, Some(mac)) => Brought::Hmac(foreign::digest_of_text(&mac).ok_or_else(|| {
                    unfit("have an hmac that is neither 64 hexadecimal digits nor 32 bytes of base64")
                })?),
                _ => return Err(unfit("must have one of key, sha256 and hmac")),
            };
            Ok(Item { brought, name: item.name })
        };
        let items = self.items.into_iter().map(item).collect::<Result<_, _>>()?;
        Ok(Import {
            like: self.like.0.wish(now, None)?,
            strength: if self.weak { Strength::Weak } else { Strength::Vouched },
            mac_key,
            items,
        })
    }
}

/// What became of one.
#[derive(Debug, serde::Serialize, JsonSchema)]
pub(in crate::http::api_keys) struct Imported {
    /// `imported`, `duplicate` or `refused`.
    outcome: &'static str,
    /// Of one that was imported: its identifier.
    #[schemars(with = "Option<Identifier>")]
    id: Option<String>,
    /// Of one that was refused: why.
    detail: Option<&'static str>,
}

impl Imported {
    pub(in crate::http::api_keys) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Imported(id) => Self { outcome: "imported", id: Some(id.to_string()), detail: None },
            Outcome::Duplicate => Self { outcome: "duplicate", id: None, detail: None },
            Outcome::Refused(why) => Self { outcome: "refused", id: None, detail: Some(why) },
        }
    }
}

/// `PATCH /v1/keys/{id}`: members that are left out stay, `null` takes one away (RFC 7396).
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its form is of use: a patch is read as what it is")]
pub(in crate::http::api_keys) struct KeyPatch {
    /// What its owner calls it.
    name: Option<String>,
    /// The name or the identifier of its plan; null: that of its API.
    plan: Option<String>,
    /// Members of what restricts it.
    policy: Option<Map<String, Value>>,
    /// Members of what is told with each good verdict.
    meta: Option<Map<String, Value>>,
    /// Until when it is good; null or `never` for ever, where that is allowed.
    #[schemars(with = "Option<EndingText>")]
    expires_at: Option<String>,
    /// For a key of kind `server` whose policy no longer names addresses: that this is meant.
    anywhere: Option<bool>,
}

/// `PATCH /v1/apis/{id}`, in the same way.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its form is of use: a patch is read as what it is")]
pub(in crate::http::api_keys) struct ApiPatch {
    /// What people and gateways call it; unique.
    name: Option<String>,
    /// It stays: only what it is now is accepted.
    audience: Option<String>,
    /// It stays too.
    prefix: Option<String>,
    /// The environments that its keys are made for.
    environments: Option<Vec<String>>,
    /// The name or the identifier of the plan of families that name none.
    plan: Option<String>,
    /// Members of what restricts all its keys.
    policy: Option<Map<String, Value>>,
    /// Members of its settings.
    settings: Option<Map<String, Value>>,
}

/// `PATCH /v1/plans/{id}`, in the same way.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its form is of use: a patch is read as what it is")]
pub(in crate::http::api_keys) struct PlanPatch {
    /// What people call it; unique.
    name: Option<String>,
    /// Members of its rate and quota.
    policy: Option<Map<String, Value>>,
}
