-- How many certificates an issuer has, by status, counted with each change: those that are good are the rest.

ALTER TABLE issuer ADD COLUMN registered INTEGER NOT NULL DEFAULT 0; -- rows in `certificate`
ALTER TABLE issuer ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;    -- of these for good …
ALTER TABLE issuer ADD COLUMN held INTEGER NOT NULL DEFAULT 0;       -- … and on hold
UPDATE issuer SET registered = (SELECT count(*) FROM certificate c WHERE c.issuer = issuer.id),
    revoked = (SELECT count(*) FROM revocation r WHERE r.issuer = issuer.id AND r.status = 1),
    held = (SELECT count(*) FROM revocation r WHERE r.issuer = issuer.id AND r.status = 2);

-- Search: store/search.c has the same words. The CN that a subject begins with, up to the next comma …
CREATE INDEX certificate_by_name ON certificate (issuer, lower(substr(subject, 4, instr(subject || ',', ',') - 4)))
    WHERE subject >= 'CN=' AND subject < 'CN>';
-- … and of the few that begin otherwise, what is behind the first CN=, and all of it.
CREATE INDEX certificate_by_later_name ON certificate (issuer, lower(substr(subject, instr(subject, ',CN=') + 4)))
    WHERE (subject < 'CN=' OR subject >= 'CN>') AND instr(subject, ',CN=') > 0;
CREATE INDEX certificate_by_subject ON certificate (issuer, lower(subject)) WHERE (subject < 'CN=' OR subject >= 'CN>');
-- What is on hold, among however many that are revoked.
CREATE INDEX revocation_on_hold ON revocation (issuer, serial) WHERE status = 2;

-- What calls with an Idempotency-Key were answered, for when they are repeated; none lives longer than a day.
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
