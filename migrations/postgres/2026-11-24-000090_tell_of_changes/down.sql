DROP TRIGGER tell_of_changes ON change_feed;
DROP FUNCTION tell_of_changes();
