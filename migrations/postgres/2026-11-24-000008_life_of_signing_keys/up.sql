-- From when on every copy of the key set has a key; since when and why it is in its state; where it came from; and when
-- an operator ended it before its time.
ALTER TABLE signing_keys ADD COLUMN known_at timestamptz;
ALTER TABLE signing_keys ADD COLUMN changed_at timestamptz;
ALTER TABLE signing_keys ADD COLUMN why text;
ALTER TABLE signing_keys ADD COLUMN origin text NOT NULL DEFAULT 'made';
ALTER TABLE signing_keys ADD COLUMN revoked_at timestamptz;

-- What keys signed, and how often they were met in tokens that were presented to us.
CREATE TABLE signing_key_uses (
    kid       text COLLATE "C" PRIMARY KEY,
    signed    bigint NOT NULL,
    signed_at timestamptz,
    seen      bigint NOT NULL,
    seen_at   timestamptz
);

-- Who fetched the key set: by address and agent.
CREATE TABLE jwks_fetches (
    address  text COLLATE "C" NOT NULL,
    agent    text COLLATE "C" NOT NULL,
    fetches  bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    etag     text NOT NULL,
    PRIMARY KEY (address, agent)
);
CREATE INDEX jwks_fetches_last_at ON jwks_fetches (last_at);
