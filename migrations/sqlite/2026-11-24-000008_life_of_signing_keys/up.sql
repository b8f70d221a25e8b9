-- From when on every copy of the key set has a key; since when and why it is in its state; where it came from; and when
-- an operator ended it before its time.
ALTER TABLE signing_keys ADD COLUMN known_at integer;
ALTER TABLE signing_keys ADD COLUMN changed_at integer;
ALTER TABLE signing_keys ADD COLUMN why text;
ALTER TABLE signing_keys ADD COLUMN origin text NOT NULL DEFAULT 'made';
ALTER TABLE signing_keys ADD COLUMN revoked_at integer;

-- What keys signed, and how often they were met in tokens that were presented to us.
CREATE TABLE signing_key_uses (
    kid       text NOT NULL PRIMARY KEY,
    signed    integer NOT NULL,
    signed_at integer,
    seen      integer NOT NULL,
    seen_at   integer
) STRICT;

-- Who fetched the key set: by address and agent.
CREATE TABLE jwks_fetches (
    address  text NOT NULL,
    agent    text NOT NULL,
    fetches  integer NOT NULL,
    first_at integer NOT NULL,
    last_at  integer NOT NULL,
    etag     text NOT NULL,
    PRIMARY KEY (address, agent)
) STRICT;
CREATE INDEX jwks_fetches_last_at ON jwks_fetches (last_at);
