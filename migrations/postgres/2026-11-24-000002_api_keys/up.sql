-- API keys: the APIs they are for, plans, families, keys, and what is counted for them.

CREATE TABLE plans (
    id         text COLLATE "C" PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    policy     jsonb NOT NULL,
    version    integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE apis (
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    audience     text NOT NULL UNIQUE,
    prefix       text NOT NULL,
    environments jsonb NOT NULL,
    plan_id      text COLLATE "C" REFERENCES plans (id),
    policy       jsonb NOT NULL,
    settings     jsonb NOT NULL,
    version      integer NOT NULL,
    disabled_at  timestamptz,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);

CREATE TABLE key_families (
    id         text COLLATE "C" PRIMARY KEY,
    api_id     text COLLATE "C" NOT NULL REFERENCES apis (id),
    owner_kind text NOT NULL CHECK (owner_kind IN ('user', 'client')),
    owner_id   text COLLATE "C" NOT NULL,
    client_id  text COLLATE "C",
    name       text NOT NULL,
    plan_id    text COLLATE "C" REFERENCES plans (id),
    policy     jsonb NOT NULL,
    version    integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX key_families_owner ON key_families (owner_kind, owner_id, id);
CREATE INDEX key_families_api_id ON key_families (api_id, id);

-- The row of a key changes only when its life does. That it was used is written elsewhere, so
-- that a busy key does not rewrite its row and its indexes.
CREATE TABLE api_keys (
    id           text COLLATE "C" PRIMARY KEY,
    family_id    text COLLATE "C" NOT NULL REFERENCES key_families (id),
    api_id       text COLLATE "C" NOT NULL REFERENCES apis (id),
    environment  text NOT NULL,
    digest       bytea NOT NULL UNIQUE,
    pepper       smallint NOT NULL,
    origin       text NOT NULL CHECK (origin IN ('minted', 'imported', 'imported_text', 'imported_hash')),
    hint         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('server', 'public', 'verifier')),
    state        text NOT NULL CHECK (state IN ('active', 'retiring', 'disabled', 'suspended', 'revoked', 'compromised')),
    scope        text NOT NULL,
    policy       jsonb NOT NULL,
    meta         jsonb NOT NULL,
    not_before   timestamptz,
    expires_at   timestamptz,
    successor_id text COLLATE "C",
    state_reason text,
    state_at     timestamptz NOT NULL,
    disabled_by  text CHECK (disabled_by IN ('owner', 'administrator')),
    reminded     smallint NOT NULL,
    version      integer NOT NULL,
    created_at   timestamptz NOT NULL
);
CREATE INDEX api_keys_family_id ON api_keys (family_id, id);
CREATE INDEX api_keys_api_id ON api_keys (api_id, id);
CREATE INDEX api_keys_foreign ON api_keys (id) WHERE origin <> 'minted';
CREATE INDEX api_keys_expires_at ON api_keys (expires_at) WHERE state IN ('active', 'retiring');
CREATE INDEX api_keys_ended_at ON api_keys (state_at) WHERE state IN ('revoked', 'compromised', 'disabled', 'suspended');

CREATE TABLE key_uses (
    key_id  text COLLATE "C" PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
    at      timestamptz NOT NULL,
    address text,
    agent   text
);

CREATE TABLE key_claims (
    id         text COLLATE "C" PRIMARY KEY,
    digest     bytea NOT NULL UNIQUE,
    api_id     text COLLATE "C" NOT NULL REFERENCES apis (id),
    spec       jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    claimed_at timestamptz,
    address    text,
    key_id     text COLLATE "C",
    created_at timestamptz NOT NULL
);
CREATE INDEX key_claims_expires_at ON key_claims (expires_at);

CREATE TABLE quota_counters (
    family_id    text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    period_start timestamptz NOT NULL,
    used         bigint NOT NULL,
    topped_up    bigint NOT NULL,
    warned       smallint NOT NULL,
    PRIMARY KEY (family_id, name, period_start)
);
CREATE INDEX quota_counters_period_start ON quota_counters (period_start);

CREATE TABLE quota_grants (
    id           text COLLATE "C" PRIMARY KEY,
    family_id    text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    period_start timestamptz NOT NULL,
    amount       bigint NOT NULL,
    reason       text,
    at           timestamptz NOT NULL
);
CREATE INDEX quota_grants_family_id ON quota_grants (family_id, name, period_start);
CREATE INDEX quota_grants_period_start ON quota_grants (period_start);

CREATE TABLE usage_minutes (
    key_id    text COLLATE "C" NOT NULL,
    minute    timestamptz NOT NULL,
    outcome   text NOT NULL,
    calls     bigint NOT NULL,
    errors_4  bigint NOT NULL,
    errors_5  bigint NOT NULL,
    bytes_in  bigint NOT NULL,
    bytes_out bigint NOT NULL,
    millis    bigint NOT NULL,
    PRIMARY KEY (key_id, minute, outcome)
);
CREATE INDEX usage_minutes_minute ON usage_minutes (minute);

CREATE TABLE idempotency (
    caller     text NOT NULL,
    hash       bytea NOT NULL,
    subject    text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (caller, hash)
);
CREATE INDEX idempotency_expires_at ON idempotency (expires_at);
ALTER TABLE change_feed DROP CONSTRAINT change_feed_kind_check;
ALTER TABLE change_feed ADD CONSTRAINT change_feed_kind_check CHECK (kind IN ('client', 'grant', 'token', 'user', 'signing_keys', 'api_key', 'key_family', 'api', 'plan'));

ALTER TABLE audit_events ADD COLUMN api_key_id text COLLATE "C";
CREATE INDEX audit_events_api_key_id ON audit_events (api_key_id, id) WHERE api_key_id IS NOT NULL;
