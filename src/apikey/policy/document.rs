//! One policy, read: every member found valid and made ready to be asked.

use super::{
    Invalid, Reason, Rule, address::Addresses, agent::Agents, binding::Binding, country::Countries, hours::Hours,
    listed, quota, quota::Quota, rate, rate::Rate, referrer::Referrers, route::Routes, written,
};
use crate::apikey::{PolicyText, call::Call};
use serde_json::Value;

/// The version of the form, member `v`.
const VERSION: u64 = 1;
/// The most bytes that all members but `ip` may have together, as compact JSON.
const MOST_BYTES: usize = 64 * 1024;
/// The member that only plans have.
const GUARANTEED: &str = "guaranteed";

/// A policy that has been read. Members that are not there restrict nothing.
#[derive(Clone, Debug, Default)]
pub struct Document {
    ip: Option<Addresses>,
    geo: Option<Countries>,
    time: Option<Hours>,
    referrer: Option<Referrers>,
    user_agent: Option<Agents>,
    routes: Option<Routes>,
    binding: Option<Binding>,
    /// Limits of rate, in the order written.
    pub rate: Vec<Rate>,
    /// Quotas, in the order written.
    pub quota: Vec<Quota>,
    /// Whether a plan has all of its limits, whatever trouble its API has.
    pub guaranteed: bool,
}

impl Document {
    /// Reads a policy. The empty object restricts nothing; any other names its version.
    ///
    /// # Errors
    /// [`Invalid`], naming the member, where anything in it is unknown, cannot be read, is beyond
    /// a bound, or could never be meant.
    pub fn read(text: &PolicyText) -> Result<Self, Invalid> {
        let mut document = Self::default();
        if text.is_empty() {
            return Ok(document);
        }
        if text.get("v").and_then(Value::as_u64) != Some(VERSION) {
            return Err(Invalid::new("v", "must be 1"));
        }
        let rest: usize = text.iter().filter(|(name, _)| *name != "ip").map(|(_, v)| v.to_string().len()).sum();
        if rest > MOST_BYTES {
            return Err(Invalid::new("", format!("has {rest} bytes beside ip; {MOST_BYTES} at most")));
        }
        for (name, value) in text {
            document.read_member(name, value)?;
        }
        Ok(document)
    }

    /// Reads a policy that is to be stored: as [`Document::read`], without what no call could meet.
    ///
    /// # Errors
    /// [`Invalid`], as there, and where it asks for a client certificate: none are read yet. What was stored with
    /// that before goes on refusing every call.
    pub fn admit(text: &PolicyText) -> Result<Self, Invalid> {
        let document = Self::read(text)?;
        if document.binding.as_ref().is_some_and(Binding::asks_certificate) {
            return Err(Invalid::new("binding.x5t", "cannot be met: client certificates are not read"));
        }
        Ok(document)
    }

    /// Reads a plan: as [`Document::read`], but only `rate`, `quota` and `guaranteed` may be in it.
    ///
    /// # Errors
    /// [`Invalid`], as there.
    pub fn read_plan(text: &PolicyText) -> Result<Self, Invalid> {
        if let Some(name) = text.keys().find(|name| !matches!(name.as_str(), "v" | "rate" | "quota" | GUARANTEED)) {
            return Err(Invalid::new(name.as_str(), "has no place in a plan, which has rate and quota"));
        }
        let mut text = text.clone();
        let guaranteed = match text.remove(GUARANTEED) {
            None => false,
            Some(Value::Bool(said)) => said,
            Some(_) => return Err(Invalid::new(GUARANTEED, "must be true or false")),
        };
        Ok(Self { guaranteed, ..Self::read(&text)? })
    }

    fn read_member(&mut self, name: &str, value: &Value) -> Result<(), Invalid> {
        match name {
            "v" => {}
            "ip" => self.ip = Some(Addresses::read(&written(name, value)?)?),
            "geo" => self.geo = Some(Countries::read(&written(name, value)?)?),
            "referrer" => self.referrer = Some(Referrers::read(&written(name, value)?)?),
            "user_agent" => self.user_agent = Some(Agents::read(&written(name, value)?)?),
            "time" => self.time = Some(Hours::read(&written(name, value)?)?),
            "routes" => self.routes = Some(Routes::read(listed(name, value)?)?),
            "rate" => self.rate = rate::read(listed(name, value)?)?,
            "quota" => self.quota = quota::read(listed(name, value)?)?,
            "binding" => self.binding = Some(Binding::read(&written(name, value)?)?),
            _ => return Err(Invalid::new(name, "is not a member of policies")),
        }
        Ok(())
    }

    /// Whether it names the addresses that may call. That some may not names none.
    #[must_use]
    pub fn restricts_addresses(&self) -> bool {
        self.ip.as_ref().is_some_and(Addresses::names_some)
    }
    /// Whether it asks for the country of a call.
    #[must_use]
    pub const fn asks_country(&self) -> bool {
        self.geo.is_some()
    }
    /// Whether it says from which pages a call may come, and that it must come from one.
    #[must_use]
    pub fn restricts_referrers(&self) -> bool {
        self.referrer.as_ref().is_some_and(Referrers::names_all)
    }
    /// Whether it names the hours in which calls may come.
    #[must_use]
    pub const fn restricts_hours(&self) -> bool {
        self.time.is_some()
    }
    /// What it says of proof of possession.
    #[must_use]
    pub const fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// What this restriction finds; `None` where nothing is written of it.
    #[must_use]
    pub fn finding(&self, rule: Rule, call: &Call<'_>) -> Option<Result<(), Reason>> {
        match rule {
            Rule::Ip => self.ip.as_ref().map(|one| one.find(call)),
            Rule::Geo => self.geo.as_ref().map(|one| one.find(call)),
            Rule::Time => self.time.as_ref().map(|one| one.find(call)),
            Rule::Referrer => self.referrer.as_ref().map(|one| one.find(call)),
            Rule::UserAgent => self.user_agent.as_ref().map(|one| one.find(call)),
            Rule::Route => self.routes.as_ref().map(|one| one.find(call)),
            Rule::Rate => None,
        }
    }
}
