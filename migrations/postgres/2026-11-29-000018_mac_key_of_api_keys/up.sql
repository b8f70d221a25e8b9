-- Under which key of HMAC (mac_keys.id) others hashed an API key that was brought by its HMAC: it is known by that key alone.
-- Of those that were brought before this column it is not known.
ALTER TABLE api_keys ADD COLUMN mac_key text COLLATE "C";
