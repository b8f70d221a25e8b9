-- Keys end with their owner: those who were disabled of late are looked for.
CREATE INDEX users_disabled_at ON users (disabled_at) WHERE disabled_at IS NOT NULL;
CREATE INDEX clients_disabled_at ON clients (disabled_at) WHERE disabled_at IS NOT NULL;
CREATE INDEX key_families_client_id ON key_families (client_id) WHERE client_id IS NOT NULL;
