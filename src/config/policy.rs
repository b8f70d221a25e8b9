//! From settings to what the rules ask for: each rule's own `Policy`.

use super::{Config, Rate};
use crate::{
    account::{Allowance, PasswordPolicy, SessionPolicy, ThrottlePolicy},
    base::moment::Span,
    jose::{Alg, Purpose},
    keyring,
    limit::Rule,
    oauth::{
        self,
        register::{Localhost, RegistrationPolicy},
    },
};

/// The longest life that an access token may be given, by the settings or by its client.
pub const LONGEST_ACCESS_TOKEN: Span = Span::hours(1);

impl Rate {
    /// The same, as counters count.
    #[must_use]
    pub fn rule(self) -> Rule {
        Rule::new(self.count, self.per, self.count)
    }

    /// The whole count at once, and then one more each time its share of the time has gone by.
    #[must_use]
    pub fn allowance(self) -> Allowance {
        let every = self.per.as_micros() / i64::from(self.count.max(1));
        Allowance { burst: self.count, every: Span::millis((every / 1000).max(1)) }
    }
}

impl Config {
    /// What is decided about tokens.
    #[must_use]
    pub fn token_policy(&self) -> oauth::issue::Policy {
        let tokens = &self.tokens;
        oauth::issue::Policy {
            issuer: self.server.issuer.clone(),
            access_token_lifetime: tokens.access_token_lifetime,
            id_token_lifetime: tokens.id_token_lifetime,
            code_lifetime: tokens.code_lifetime,
            refresh_idle: tokens.refresh_idle,
            refresh_absolute: tokens.refresh_absolute,
            refresh_grace: tokens.refresh_grace,
            access_token_alg: tokens.access_token_signing_alg,
            default_audience: tokens.default_audience.clone(),
        }
    }

    /// What is decided about keys, when these signature algorithms (and that of access tokens) are in use.
    ///
    /// # Errors
    /// Never for a configuration that was loaded: loading checks it.
    pub fn key_policy(&self, algs: impl IntoIterator<Item = Alg>) -> Result<keyring::Policy, keyring::BadPolicy> {
        let keys = &self.keys;
        let times = keyring::Times {
            rotation_period: keys.rotation_period,
            publish_before_use: keys.publish_before_use,
            longest_token_life: LONGEST_ACCESS_TOKEN.max(self.tokens.id_token_lifetime),
            jwks_max_age: keys.jwks_max_age,
            library_cache: keys.library_cache,
        };
        let signing = algs.into_iter().chain([self.tokens.access_token_signing_alg]).map(Purpose::Signs);
        let decrypting = keys.encryption_algorithms.iter().copied().map(Purpose::Decrypts);
        keyring::Policy::new(signing.chain(decrypting), times)
    }

    /// What is decided about sessions.
    #[must_use]
    pub const fn session_policy(&self) -> SessionPolicy {
        SessionPolicy { idle: self.sign_in.session_idle, absolute: self.sign_in.session_absolute }
    }

    /// What is decided about new passwords.
    #[must_use]
    pub const fn password_policy(&self) -> PasswordPolicy {
        PasswordPolicy { min_length: self.sign_in.password_min_length }
    }

    /// What is decided about the registration of clients.
    #[must_use]
    pub const fn registration_policy(&self) -> RegistrationPolicy {
        let localhost = if self.sign_in.allow_localhost_redirects { Localhost::Allowed } else { Localhost::Refused };
        RegistrationPolicy { localhost }
    }

    /// What is decided about attempts to sign in.
    #[must_use]
    pub fn throttle_policy(&self) -> ThrottlePolicy {
        let sign_in = &self.sign_in;
        ThrottlePolicy {
            known_browser: sign_in.attempts_known_browser.allowance(),
            account_and_address: sign_in.attempts_per_account.allowance(),
            address: sign_in.attempts_per_address.allowance(),
            account: sign_in.attempts_everywhere.allowance(),
        }
    }

    /// Threads that serve requests, on a machine with so many cores.
    #[must_use]
    pub const fn worker_threads(&self, cores: usize) -> usize {
        match self.server.workers {
            0 if cores == 0 => 1,
            0 => cores,
            given => given,
        }
    }

    /// Threads that hash passwords, on a machine with so many cores.
    #[must_use]
    pub const fn hash_threads(&self, cores: usize) -> usize {
        match self.sign_in.hash_threads {
            0 if cores <= 2 => 1,
            0 => cores - 1,
            given => given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_good_policies() {
        let config = Config::load(None, std::iter::empty()).unwrap();
        let keys = config.key_policy([Alg::Rs256]).unwrap();
        assert_eq!(keys.algs().len(), 2);
        assert_eq!(config.token_policy().access_token_alg, Alg::Es256);
        let throttle = config.throttle_policy();
        assert_eq!(throttle.account_and_address, Allowance { burst: 10, every: Span::minutes(1) });
        assert_eq!(throttle.account, Allowance { burst: 30, every: Span::minutes(10) });
        assert_eq!((config.worker_threads(0), config.worker_threads(4)), (1, 4));
        assert_eq!((config.hash_threads(1), config.hash_threads(2), config.hash_threads(8)), (1, 1, 7));
    }
}
