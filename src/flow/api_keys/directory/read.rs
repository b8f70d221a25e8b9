//! From the rows of a key to one that is ready to be judged.

use super::{Directory, Entry, Shared, meters::meters};
use crate::{
    apikey::{
        PolicyText,
        api::Api,
        judge::Standing,
        key::{ApiKey, Origin},
        plan::Plan,
        policy::{
            Compiled, Document, Invalid, Layer, Level, Limit,
            quota::Unit,
            rate::{By, Rate},
        },
    },
    base::fault::Fault,
    store::key_facts::KeyFacts,
};
use std::sync::Arc;

/// Bytes of policies and of `meta`, as JSON, that take about as much memory as a key without any:
/// two kilobytes. Owners write them, so they are counted, or a few thousand keys would fill the memory.
const BYTES_OF_A_KEY: usize = 512;

impl Directory {
    pub(super) fn read(&self, facts: KeyFacts) -> Result<Entry, Fault> {
        let KeyFacts { mut key, mut family, api, plan, owner_active, application_active, .. } = facts;
        let number = key.id.to_u128().ok_or_else(|| Fault::bare("an API key whose identifier is not ours"))?;
        let shared = self.share(api, plan)?;
        let (mut layers, mut written) = (shared.layers.clone(), Vec::new());
        let own = [
            (Level::Family, family.id.as_str(), std::mem::take(&mut family.policy)),
            (Level::Key, key.id.as_str(), std::mem::take(&mut key.policy)),
        ];
        for (level, of, policy) in own {
            if !policy.is_empty() {
                let (text, document) = self.document(of, &policy)?;
                layers.push(Layer { level, of: of.into(), document });
                written.push(text);
            }
        }
        let policy = Compiled::of(layers);
        let each_call = each_call(&policy, &key);
        let policy = limited(policy, &key, family.id.as_str());
        let meters_of = |unit| meters(&policy, &family.id, unit);
        let (meters, bytes) = (meters_of(Unit::Requests), meters_of(Unit::ContentBytes));
        let weight = weight(written.iter().map(|text| text.len()).chain([length(&key.meta)]));
        let owner = if owner_active && application_active { Standing::Active } else { Standing::Inactive };
        Ok(Entry { key, family, written, shared, owner, policy, each_call, meters, bytes, number, weight })
    }

    /// A policy of a family or key, by its JSON and as it is judged by.
    fn document(&self, of: &str, policy: &PolicyText) -> Result<(Arc<str>, Arc<Document>), Fault> {
        let text: Arc<str> = serde_json::to_string(policy).map_err(|e| Fault::new("writing a policy", e))?.into();
        if let Some(document) = self.documents.get(&text) {
            return Ok((text, document));
        }
        let document = Arc::new(Document::read(policy).map_err(|e| illegal(of, &e))?);
        self.documents.insert(Arc::clone(&text), Arc::clone(&document));
        Ok((text, document))
    }

    fn share(&self, api: Api, plan: Option<Plan>) -> Result<Arc<Shared>, Fault> {
        let wanted = (api.id.clone(), api.version, plan.as_ref().map(|plan| (plan.id.clone(), plan.version)));
        if let Some(shared) = self.shared.get(&wanted) {
            return Ok(shared);
        }
        let mut layers = Vec::new();
        let mut add = |level, of: &str, document: Result<Document, Invalid>| -> Result<(), Fault> {
            let document = Arc::new(document.map_err(|e| illegal(of, &e))?);
            layers.push(Layer { level, of: of.into(), document });
            Ok(())
        };
        add(Level::Api, api.id.as_str(), Document::read(&api.policy))?;
        if let Some(plan) = &plan {
            add(Level::Plan, plan.id.as_str(), Document::read_plan(&plan.policy))?;
        }
        let guaranteed = layers.iter().any(|layer| layer.level == Level::Plan && layer.document.guaranteed);
        let shared = Arc::new(Shared { api, plan, guaranteed, layers });
        self.shared.insert(wanted, Arc::clone(&shared));
        Ok(shared)
    }
}

/// For how many keys of the usual size one counts whose documents are of these lengths.
pub(super) fn weight(lengths: impl Iterator<Item = usize>) -> u32 {
    let all = lengths.fold(0usize, usize::saturating_add);
    u32::try_from(all / BYTES_OF_A_KEY).unwrap_or(u32::MAX).saturating_add(1)
}

/// How long a document is as JSON; one that is empty is none.
fn length(document: &serde_json::Map<String, serde_json::Value>) -> usize {
    if document.is_empty() {
        return 0;
    }
    serde_json::to_string(document).map_or(usize::MAX, |text| text.len())
}

/// Whether each call must be asked about: where something counts or must be proven, and where hours are named, which
/// may end while a verdict is kept. The usual limit alone, which is there for what nobody has thought of, makes none to
/// be asked about that an API lets its servers let pass for a while.
fn each_call(policy: &Compiled, key: &ApiKey) -> bool {
    let asks = |document: &Document| document.binding().is_some() || document.restricts_hours();
    policy.counts() || policy.layers().iter().any(|layer| asks(&layer.document)) || key.origin == Origin::Imported
}

/// Nothing is without a limit of rate: where neither API nor plan has one for whoever holds the key
/// there is the usual one, whatever its owner wrote, and what may be easy to guess has one of its own.
fn limited(policy: Compiled, key: &ApiKey, family: &str) -> Compiled {
    let given = |limit: &Limit| matches!(limit.level, Level::Api | Level::Plan) && limit.rate.by != By::Ip;
    let policy =
        if policy.limits().iter().any(given) { policy } else { policy.within(Level::Family, family, Rate::usual()) };
    match key.origin {
        Origin::Imported => policy.within(Level::Key, key.id.as_str(), Rate::weak()),
        Origin::Minted | Origin::ImportedText | Origin::ImportedHash => policy,
    }
}

fn illegal(of: &str, why: &Invalid) -> Fault {
    Fault::new(format!("reading the policy of {of}"), why.to_string())
}

#[cfg(test)]
mod tests;
