ALTER TABLE grants DROP COLUMN tokens_generation;
ALTER TABLE grants DROP COLUMN tokens_until;
