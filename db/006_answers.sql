-- Answers for repeats, made anew: none lives longer than a day.

DROP TABLE answer;
CREATE TABLE answer (
    id          INTEGER PRIMARY KEY,        -- rises: of each actor the oldest go first
    actor       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    request     BLOB    NOT NULL,           -- SHA-256 of the call
    at          INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    type        TEXT    NOT NULL,           -- of the body; '': there is none
    etag        TEXT    NOT NULL,           -- without quotes; '': there was none
    body        TEXT    NOT NULL,
    UNIQUE (actor, key)
);
-- Those that are too old, and those that are too many.
CREATE INDEX answer_by_age ON answer (at);
CREATE INDEX answer_by_actor ON answer (actor, id);
