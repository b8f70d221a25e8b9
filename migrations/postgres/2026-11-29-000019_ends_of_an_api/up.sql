-- What has ended of one API, and what ends, in that order: a resource server that asks for all of its own reads no other's.
CREATE INDEX api_keys_ended_of_api ON api_keys (api_id, state_at, id) WHERE state IN ('revoked', 'compromised', 'disabled', 'suspended');
CREATE INDEX api_keys_ending_of_api ON api_keys (api_id, expires_at, id) WHERE state IN ('active', 'retiring') AND expires_at IS NOT NULL;
