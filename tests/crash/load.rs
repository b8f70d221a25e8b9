//! Mixed load by one client: codes from a live session, lines of refresh tokens, tokens for machines, revocations,
//! and now and then what a thief would try.

use super::{
    browser::{Arrived, Browser, VERIFIER},
    http::{Client, NoAnswer, Reply},
    ledger::{Ledger, Line, keep},
    node::{Installation, Registered},
};
use std::{net::SocketAddr, thread};

/// The most lines that one client keeps alive.
const LINES: usize = 8;

/// Numbers that look random; each client has its own.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// One client of the load: a person's browser, an application, a machine.
pub(crate) struct Worker<'i> {
    pub installation: &'i Installation,
    pub browser: Browser,
    pub ledger: Ledger,
    pub dice: Dice,
    client: Client,
}

/// A request had no answer, so that this client stops until the server is back.
pub(crate) type Step = Result<(), NoAnswer>;

impl<'i> Worker<'i> {
    pub(crate) fn new(installation: &'i Installation, n: usize, seed: u64, address: SocketAddr) -> Self {
        Self {
            installation,
            browser: installation.browser(n),
            ledger: Ledger::default(),
            dice: Dice(seed ^ ((n as u64) << 32)),
            client: Client::new(address),
        }
    }

    /// Goes on with this server, by a new connection.
    pub(crate) fn turn_to(&mut self, address: SocketAddr) {
        self.client = Client::new(address);
    }

    /// One step of the load.
    pub(crate) fn step(&mut self) -> Step {
        let has_lines = !self.ledger.live.is_empty();
        let done = match self.dice.below(20) {
            0..3 if self.ledger.live.len() < LINES => self.new_line(),
            3..12 if has_lines => self.refresh_one(),
            12..16 => self.machine_token(),
            16 if has_lines => self.revoke_line(),
            17 => self.revoke_access(),
            18 if has_lines => self.spend_a_code_again(),
            19 if has_lines => self.show_an_old_token(),
            _ => self.machine_token(),
        };
        self.ledger.counts.unanswered += u64::from(done.is_err());
        done
    }

    pub(crate) fn post(&mut self, to: &str, as_whom: &Registered, fields: &[(&str, &str)]) -> Result<Reply, NoAnswer> {
        let reply = self.client.post_form(to, &[("Authorization", &as_whom.basic)], fields)?;
        self.ledger.counts.busy += u64::from(reply.is_busy());
        Ok(reply)
    }

    /// A code by the live session; none when the server was busy.
    pub(crate) fn code(&mut self) -> Result<Option<String>, NoAnswer> {
        let before = self.browser.sign_ins;
        let (app, issuer) = (&self.installation.app, &self.installation.issuer);
        match self.browser.code(&mut self.client, &app.id, issuer)? {
            Arrived::Code(code) => {
                assert!(before == 0 || self.browser.sign_ins == before, "a session was lost");
                Ok(Some(code))
            }
            Arrived::Elsewhere(reply) => {
                assert!(reply.is_busy(), "no code: {} {}", reply.status, reply.body);
                self.ledger.counts.busy += 1;
                Ok(None)
            }
        }
    }

    pub(crate) fn redeem(&mut self, code: &str) -> Result<Reply, NoAnswer> {
        let app = self.installation.app.clone();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", super::browser::CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &app, &fields)
    }

    pub(crate) fn refresh(&mut self, token: &str) -> Result<Reply, NoAnswer> {
        let app = self.installation.app.clone();
        self.post("/token", &app, &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    pub(crate) fn new_line(&mut self) -> Step {
        let Some(code) = self.code()? else { return Ok(()) };
        if self.dice.below(6) == 0 {
            return self.race(code);
        }
        match self.redeem(&code) {
            Ok(reply) => self.take_line(code, &reply),
            Err(lost) => {
                self.ledger.unsure.push(code);
                return Err(lost);
            }
        }
        Ok(())
    }

    /// A line begins where a code was good.
    pub(crate) fn take_line(&mut self, code: String, reply: &Reply) {
        if reply.is_busy() {
            self.ledger.unsure.push(code);
            return;
        }
        assert_eq!(reply.status, 200, "a fresh code: {}", reply.body);
        self.ledger.counts.codes += 1;
        self.ledger.live.push(Line { tokens: vec![reply.member("refresh_token")], code: code.clone() });
        keep(&mut self.ledger.spent, code, 40);
    }

    /// Two callers with one code at the same moment: one of them wins, and has what it won taken away again.
    fn race(&mut self, code: String) -> Step {
        let (app, mut second) = (self.installation.app.clone(), Client::new(self.client.address()));
        let fields = |code: &str| {
            super::http::form(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", super::browser::CALLBACK),
                ("code_verifier", VERIFIER),
            ])
        };
        let (body, headers) = (
            fields(&code),
            [("Authorization", app.basic.as_str()), ("Content-Type", "application/x-www-form-urlencoded")],
        );
        let both = thread::scope(|scope| {
            let other = scope.spawn(|| second.send("POST", "/token", &headers, &body));
            [self.client.send("POST", "/token", &headers, &body), other.join().unwrap()]
        });
        self.ledger.counts.races += 1;
        let won = both.iter().flatten().filter(|reply| reply.status == 200).collect::<Vec<_>>();
        assert!(won.len() < 2, "one code was good for two");
        let refused = both.iter().flatten().filter(|reply| reply.status == 400).count();
        if let (Some(winner), 1) = (won.first(), refused) {
            keep(&mut self.ledger.ended, winner.member("refresh_token"), 60);
        }
        if both.iter().any(Result::is_err) { Err(NoAnswer) } else { Ok(()) }
    }

    fn refresh_one(&mut self) -> Step {
        let at = self.any_line();
        self.refresh_at(at)
    }

    /// The current token of a line must work, and gives the next.
    pub(crate) fn refresh_at(&mut self, at: usize) -> Step {
        let token = self.ledger.live[at].current().to_owned();
        let reply = self.refresh(&token)?;
        if !reply.is_busy() {
            assert_eq!(reply.status, 200, "an acknowledged refresh token: {}", reply.body);
            let next = reply.member("refresh_token");
            assert_ne!(next, token, "refresh tokens rotate");
            self.ledger.live[at].tokens.push(next);
            self.ledger.counts.refreshes += 1;
        }
        Ok(())
    }

    fn any_line(&mut self) -> usize {
        self.dice.below(self.ledger.live.len() as u64) as usize
    }

    fn machine_token(&mut self) -> Step {
        let machine = self.installation.machine.clone();
        let reply = self.post("/token", &machine, &[("grant_type", "client_credentials")])?;
        if !reply.is_busy() {
            assert_eq!(reply.status, 200, "client credentials: {}", reply.body);
            self.ledger.counts.machine_tokens += 1;
            keep(&mut self.ledger.good_access, reply.member("access_token"), 5);
        }
        Ok(())
    }

    fn revoke_access(&mut self) -> Step {
        let Some(token) = self.ledger.good_access.pop_front() else { return Ok(()) };
        let machine = self.installation.machine.clone();
        let reply = self.post("/revoke", &machine, &[("token", &token)])?;
        if !reply.is_busy() {
            assert_eq!(reply.status, 200, "revocation: {}", reply.body);
            self.ledger.counts.revocations += 1;
            keep(&mut self.ledger.revoked_access, token, 20);
        }
        Ok(())
    }

    /// From the moment of asking nobody knows what holds, until the answer is there.
    fn revoke_line(&mut self) -> Step {
        let at = self.any_line();
        let line = self.ledger.live.swap_remove(at);
        let app = self.installation.app.clone();
        let reply = self.post("/revoke", &app, &[("token", line.current())])?;
        if reply.is_busy() {
            return Ok(());
        }
        assert_eq!(reply.status, 200, "revocation: {}", reply.body);
        self.ledger.counts.revocations += 1;
        keep(&mut self.ledger.ended, line.current().to_owned(), 60);
        Ok(())
    }

    fn spend_a_code_again(&mut self) -> Step {
        let at = self.any_line();
        let line = self.ledger.live.swap_remove(at);
        let reply = self.redeem(&line.code)?;
        self.thief_refused(&line, &reply);
        Ok(())
    }

    fn show_an_old_token(&mut self) -> Step {
        let at = self.any_line();
        let count = self.ledger.live[at].tokens.len();
        if count < 3 {
            return Ok(());
        }
        let line = self.ledger.live.swap_remove(at);
        let old = self.dice.below(count as u64 - 2) as usize;
        let reply = self.refresh(&line.tokens[old])?;
        self.thief_refused(&line, &reply);
        Ok(())
    }

    /// What was used before is refused, and takes its line with it.
    fn thief_refused(&mut self, line: &Line, reply: &Reply) {
        if reply.is_busy() {
            return;
        }
        assert_eq!(
            (reply.status, reply.member("error").as_str()),
            (400, "invalid_grant"),
            "used before: {}",
            reply.body
        );
        self.ledger.counts.reuses_refused += 1;
        keep(&mut self.ledger.ended, line.current().to_owned(), 60);
    }
}
