-- Where the private half of a key is that we do not hold, as JSON; kept until it is destroyed there, also of a key that is gone.
ALTER TABLE signing_keys ADD COLUMN outside text;
