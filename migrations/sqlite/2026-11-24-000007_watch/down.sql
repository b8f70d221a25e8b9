DROP TABLE key_places;
ALTER TABLE key_uses DROP COLUMN first_at;
