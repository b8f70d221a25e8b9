-- When a key was used first: whoever replaces a key wants to see that its successor works.
ALTER TABLE key_uses ADD COLUMN first_at timestamptz;

-- From where a key is still used while its successor is there. An address of '' was not said, and one of '*' stands
-- for all the places beyond those that are kept.
CREATE TABLE key_places (
    key_id  text COLLATE "C" NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    hour    timestamptz NOT NULL,
    address text COLLATE "C" NOT NULL,
    agent   text COLLATE "C" NOT NULL,
    calls   bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (key_id, hour, address, agent)
);
CREATE INDEX key_places_hour ON key_places (hour);
