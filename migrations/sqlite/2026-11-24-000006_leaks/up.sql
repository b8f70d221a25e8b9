-- What is unusual about the use of API keys now: one row for each key and detector, while it lasts.
CREATE TABLE key_alerts (
    key_id    text NOT NULL,
    detector  text NOT NULL,
    opened_at integer NOT NULL,
    seen_at   integer NOT NULL,
    evidence  text NOT NULL CHECK (json_valid(evidence)),
    PRIMARY KEY (key_id, detector)
) STRICT;
