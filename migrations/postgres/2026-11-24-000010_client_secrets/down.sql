DROP TABLE client_secret_uses;
DROP INDEX client_secrets_expires_at;
ALTER TABLE client_secrets DROP COLUMN reminded;
ALTER TABLE client_secrets DROP COLUMN declared;
