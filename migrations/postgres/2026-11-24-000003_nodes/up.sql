-- Who is running: a node that has not been seen for a while is not.
CREATE TABLE nodes (
    name    text COLLATE "C" PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
