-- API keys: the APIs they are for, plans, families, keys, and what is counted for them.

CREATE TABLE plans (
    id         text NOT NULL PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    policy     text NOT NULL CHECK (json_valid(policy)),
    version    integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL
) STRICT;

CREATE TABLE apis (
    id           text NOT NULL PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    audience     text NOT NULL UNIQUE,
    prefix       text NOT NULL,
    environments text NOT NULL CHECK (json_valid(environments)),
    plan_id      text REFERENCES plans (id),
    policy       text NOT NULL CHECK (json_valid(policy)),
    settings     text NOT NULL CHECK (json_valid(settings)),
    version      integer NOT NULL,
    disabled_at  integer,
    created_at   integer NOT NULL,
    updated_at   integer NOT NULL
) STRICT;

CREATE TABLE key_families (
    id         text NOT NULL PRIMARY KEY,
    api_id     text NOT NULL REFERENCES apis (id),
    owner_kind text NOT NULL CHECK (owner_kind IN ('user', 'client')),
    owner_id   text NOT NULL,
    client_id  text,
    name       text NOT NULL,
    plan_id    text REFERENCES plans (id),
    policy     text NOT NULL CHECK (json_valid(policy)),
    version    integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL
) STRICT;
CREATE INDEX key_families_owner ON key_families (owner_kind, owner_id, id);
CREATE INDEX key_families_api_id ON key_families (api_id, id);

-- The row of a key changes only when its life does. That it was used is written elsewhere, so
-- that a busy key does not rewrite its row and its indexes.
CREATE TABLE api_keys (
    id           text NOT NULL PRIMARY KEY,
    family_id    text NOT NULL REFERENCES key_families (id),
    api_id       text NOT NULL REFERENCES apis (id),
    environment  text NOT NULL,
    digest       blob NOT NULL UNIQUE,
    pepper       integer NOT NULL,
    origin       text NOT NULL CHECK (origin IN ('minted', 'imported', 'imported_text', 'imported_hash')),
    hint         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('server', 'public', 'verifier')),
    state        text NOT NULL CHECK (state IN ('active', 'retiring', 'disabled', 'suspended', 'revoked', 'compromised')),
    scope        text NOT NULL,
    policy       text NOT NULL CHECK (json_valid(policy)),
    meta         text NOT NULL CHECK (json_valid(meta)),
    not_before   integer,
    expires_at   integer,
    successor_id text,
    state_reason text,
    state_at     integer NOT NULL,
    disabled_by  text CHECK (disabled_by IN ('owner', 'administrator')),
    reminded     integer NOT NULL,
    version      integer NOT NULL,
    created_at   integer NOT NULL
) STRICT;
CREATE INDEX api_keys_family_id ON api_keys (family_id, id);
CREATE INDEX api_keys_api_id ON api_keys (api_id, id);
CREATE INDEX api_keys_foreign ON api_keys (id) WHERE origin <> 'minted';
CREATE INDEX api_keys_expires_at ON api_keys (expires_at) WHERE state IN ('active', 'retiring');
CREATE INDEX api_keys_ended_at ON api_keys (state_at) WHERE state IN ('revoked', 'compromised', 'disabled', 'suspended');

CREATE TABLE key_uses (
    key_id  text NOT NULL PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
    at      integer NOT NULL,
    address text,
    agent   text
) STRICT;

CREATE TABLE key_claims (
    id         text NOT NULL PRIMARY KEY,
    digest     blob NOT NULL UNIQUE,
    api_id     text NOT NULL REFERENCES apis (id),
    spec       text NOT NULL CHECK (json_valid(spec)),
    expires_at integer NOT NULL,
    claimed_at integer,
    address    text,
    key_id     text,
    created_at integer NOT NULL
) STRICT;
CREATE INDEX key_claims_expires_at ON key_claims (expires_at);

CREATE TABLE quota_counters (
    family_id    text NOT NULL,
    name         text NOT NULL,
    period_start integer NOT NULL,
    used         integer NOT NULL,
    topped_up    integer NOT NULL,
    warned       integer NOT NULL,
    PRIMARY KEY (family_id, name, period_start)
) STRICT;
CREATE INDEX quota_counters_period_start ON quota_counters (period_start);

CREATE TABLE quota_grants (
    id           text NOT NULL PRIMARY KEY,
    family_id    text NOT NULL,
    name         text NOT NULL,
    period_start integer NOT NULL,
    amount       integer NOT NULL,
    reason       text,
    at           integer NOT NULL
) STRICT;
CREATE INDEX quota_grants_family_id ON quota_grants (family_id, name, period_start);
CREATE INDEX quota_grants_period_start ON quota_grants (period_start);

CREATE TABLE usage_minutes (
    key_id    text NOT NULL,
    minute    integer NOT NULL,
    outcome   text NOT NULL,
    calls     integer NOT NULL,
    errors_4  integer NOT NULL,
    errors_5  integer NOT NULL,
    bytes_in  integer NOT NULL,
    bytes_out integer NOT NULL,
    millis    integer NOT NULL,
    PRIMARY KEY (key_id, minute, outcome)
) STRICT;
CREATE INDEX usage_minutes_minute ON usage_minutes (minute);

CREATE TABLE idempotency (
    caller     text NOT NULL,
    hash       blob NOT NULL,
    subject    text NOT NULL,
    expires_at integer NOT NULL,
    PRIMARY KEY (caller, hash)
) STRICT;
CREATE INDEX idempotency_expires_at ON idempotency (expires_at);

-- SQLite cannot change a CHECK, so the table is made anew; the numbers of its rows go on.
CREATE TABLE change_feed_wider (
    epoch      integer PRIMARY KEY AUTOINCREMENT,
    kind       text NOT NULL CHECK (kind IN ('client', 'grant', 'token', 'user', 'signing_keys', 'api_key', 'key_family', 'api', 'plan')),
    subject    text NOT NULL,
    at         integer NOT NULL,
    expires_at integer NOT NULL
) STRICT;
INSERT INTO change_feed_wider (epoch, kind, subject, at, expires_at) SELECT epoch, kind, subject, at, expires_at FROM change_feed;
INSERT INTO sqlite_sequence (name, seq) SELECT 'change_feed_wider', seq FROM sqlite_sequence
    WHERE name = 'change_feed' AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'change_feed_wider');
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'change_feed') WHERE name = 'change_feed_wider'
    AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'change_feed');
DROP TABLE change_feed;
ALTER TABLE change_feed_wider RENAME TO change_feed;
CREATE INDEX change_feed_expires_at ON change_feed (expires_at);

ALTER TABLE audit_events ADD COLUMN api_key_id text;
CREATE INDEX audit_events_api_key_id ON audit_events (api_key_id, id) WHERE api_key_id IS NOT NULL;
