-- Whoever listens hears of a change as soon as it is committed. The payload says in which schema, because channels are
-- the database's and several installations may share one.
CREATE FUNCTION tell_of_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('keywright_change_feed', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;

CREATE TRIGGER tell_of_changes AFTER INSERT ON change_feed
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_changes();
