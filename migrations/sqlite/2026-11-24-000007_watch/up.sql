-- When a key was used first: whoever replaces a key wants to see that its successor works.
ALTER TABLE key_uses ADD COLUMN first_at integer;

-- From where a key is still used while its successor is there. An address of '' was not said, and one of '*' stands
-- for all the places beyond those that are kept.
CREATE TABLE key_places (
    key_id  text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    hour    integer NOT NULL,
    address text NOT NULL,
    agent   text NOT NULL,
    calls   integer NOT NULL,
    last_at integer NOT NULL,
    PRIMARY KEY (key_id, hour, address, agent)
) STRICT;
CREATE INDEX key_places_hour ON key_places (hour);
