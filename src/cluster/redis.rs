//! Redis or Valkey, as counters need it: one connection that all requests share, and two scripts
//! that do the arithmetic of [`crate::limit`] on its clock.
//!
//! Scripts are called by their hash, and sent whole where it does not know them: after a restart,
//! or when it was told to forget them.

use super::Take;
use crate::base::{fault::Fault, moment::Span, secret::Secret};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, RedisError, ServerErrorKind, aio::MultiplexedConnection,
};
use std::{fmt, time::Duration};
use tokio::time::timeout;

/// How long making a connection may take; no request waits for it.
const CONNECTING: Duration = Duration::from_millis(500);
/// What the names of our keys begin with.
const PREFIX: &str = "keywright:limit:";

/// Takes units. `KEYS[1]` the counter: when it is full, and when it was begun, both in µs. `ARGV`:
/// µs that pay for a unit, burst, cost; µs until full as this node last heard; when the counter that
/// it heard of was begun; µs until full as this node counted alone, which the counter is at least.
/// What was heard stands in for a counter that was lost, also where others have begun it anew since,
/// who knew less of it or nothing: then the greater of both counts. All whole numbers below 2^53, for
/// Lua's are doubles. Answers: allowed, units left, µs until it could succeed, µs until full, and
/// when the counter was begun.
const TAKE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = each * burst
local kept, begun = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+):?(%d*)$')
kept, begun = tonumber(kept), tonumber(begun) or 0
local tat = kept or 0
if not kept or begun ~= tonumber(ARGV[5]) then tat = math.max(tat, now + tonumber(ARGV[4])) end
tat = math.min(math.max(tat, now + tonumber(ARGV[6]), now), now + full)
if not kept then begun = now end
local function keep(tat)
    local text = string.format('%.0f:%.0f', tat, begun)
    redis.call('SET', KEYS[1], text, 'PX', math.ceil((tat - now) / 1000) + 1000)
end
local new = tat + each * cost
local over = new - now - full
if over > 0 then
    if tat > (kept or now) then keep(tat) end
    if cost > burst then over = full end
    return {0, math.floor((full - (tat - now)) / each), over, tat - now, begun}
end
keep(new)
return {1, math.floor((full - (new - now)) / each), 0, new - now, begun}
";

/// Gives units back. `ARGV`: µs that pay for a unit, cost. Answers: µs until full. A counter that
/// is full by it is kept for a second, so that nobody brings back what they remember of it.
const GIVE_BACK: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tat, begun = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+)(:?%d*)$')
tat = tonumber(tat)
if not tat or tat <= now then return 0 end
local new = math.max(tat - ARGV[1] * ARGV[2], now)
redis.call('SET', KEYS[1], string.format('%.0f', new) .. begun, 'PX', math.ceil((new - now) / 1000) + 1000)
return new - now
";

/// Why it did not answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Not within this time.
    TooLate(Duration),
    /// It, or the way to it, said no.
    Error(RedisError),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLate(deadline) => write!(f, "no answer within {} ms", deadline.as_millis()),
            Self::Error(error) => error.fmt(f),
        }
    }
}

/// What it knows of a counter before a take: see [`TAKE`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Time until full as this node last heard.
    pub(super) heard: Span,
    /// When the counter that it heard of was begun; 0 where it heard of none.
    pub(super) begun: i64,
    /// Time until full as this node counted alone.
    pub(super) alone: Span,
}

/// What it answers to a take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    pub(super) remaining: u32,
    pub(super) retry_after: Span,
    pub(super) reset: Span,
    /// When the counter was begun, in µs of Redis' clock.
    pub(super) begun: i64,
}

/// Where it is.
pub(super) struct Address {
    client: Client,
    deadline: Duration,
}

impl Address {
    /// Reads an address such as `redis://user:password@host:6379/0`. Answers are waited for no longer than `deadline`.
    pub(super) fn parse(url: &Secret<String>, deadline: Duration) -> Result<Self, Fault> {
        // The text of the error could repeat the password.
        let client = Client::open(url.expose().as_str());
        let client = client.map_err(|_| Fault::bare("limits.redis_url is no address of Redis"))?;
        Ok(Self { client, deadline })
    }

    /// Connects, and makes sure that it answers and knows the scripts.
    pub(super) async fn connect(&self) -> Result<Link, Failed> {
        // The connection must not give up before those who wait for an answer do.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(CONNECTING.max(self.deadline)));
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(Failed::Error)?;
        let mut load = redis::pipe();
        load.cmd("SCRIPT").arg("LOAD").arg(TAKE).cmd("SCRIPT").arg("LOAD").arg(GIVE_BACK);
        let loaded = load.query_async::<(String, String)>(&mut connection).await;
        let (take, give_back) = loaded.map_err(Failed::Error)?;
        Ok(Link { connection, deadline: self.deadline, take, give_back })
    }
}

/// A connection, and the hashes of the scripts.
pub(super) struct Link {
    connection: MultiplexedConnection,
    deadline: Duration,
    take: String,
    give_back: String,
}

impl Link {
    /// Takes all of these in one round trip, each for itself: some may be allowed and others not.
    pub(super) async fn take(&self, wanted: &[(Take<'_>, Known)]) -> Result<Vec<Answer>, Failed> {
        let pipeline = |command: &str, script: &str| {
            let mut pipe = redis::pipe();
            for (one, known) in wanted {
                pipe.cmd(command).arg(script).arg(1).arg(format!("{PREFIX}{}", one.key));
                pipe.arg(one.rule.interval().as_micros()).arg(one.rule.burst()).arg(one.cost);
                pipe.arg(known.heard.as_micros()).arg(known.begun).arg(known.alone.as_micros());
            }
            pipe
        };
        let rows: Vec<(i64, i64, i64, i64, i64)> = self.ask(pipeline, &self.take, TAKE).await?;
        let answer = |(allowed, remaining, retry_after, reset, begun)| Answer {
            allowed: allowed == 1,
            remaining: u32::try_from(remaining).unwrap_or(0),
            retry_after: Span::micros(retry_after),
            reset: Span::micros(reset),
            begun,
        };
        Ok(rows.into_iter().map(answer).collect())
    }

    /// Gives all of these back. Answers the time until each is full.
    pub(super) async fn give_back(&self, taken: &[Take<'_>]) -> Result<Vec<Span>, Failed> {
        let pipeline = |command: &str, script: &str| {
            let mut pipe = redis::pipe();
            for one in taken {
                pipe.cmd(command).arg(script).arg(1).arg(format!("{PREFIX}{}", one.key));
                pipe.arg(one.rule.interval().as_micros()).arg(one.cost);
            }
            pipe
        };
        let rows: Vec<i64> = self.ask(pipeline, &self.give_back, GIVE_BACK).await?;
        Ok(rows.into_iter().map(Span::micros).collect())
    }

    /// Calls a script by its hash, and by its text where that is not known. Should it forget its
    /// scripts in the middle of a pipeline, what came before is done twice: too strict, by a unit.
    async fn ask<T: redis::FromRedisValue>(
        &self,
        pipeline: impl Fn(&str, &str) -> Pipeline,
        hash: &str,
        text: &str,
    ) -> Result<T, Failed> {
        let mut connection = self.connection.clone();
        let asked = async {
            match pipeline("EVALSHA", hash).query_async(&mut connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    pipeline("EVAL", text).query_async(&mut connection).await
                }
                answered => answered,
            }
        };
        timeout(self.deadline, asked).await.map_err(|_| Failed::TooLate(self.deadline))?.map_err(Failed::Error)
    }
}
