-- Who is running: a node that has not been seen for a while is not.
CREATE TABLE nodes (
    name    text NOT NULL PRIMARY KEY,
    seen_at integer NOT NULL
) STRICT;
