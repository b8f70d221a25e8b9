DROP INDEX key_families_client_id;
DROP INDEX clients_disabled_at;
DROP INDEX users_disabled_at;
