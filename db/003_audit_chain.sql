-- The audit trail becomes a chain: include/annul/audit.h says of what. Rows from before are taken into it by
-- store/audit.c, in the transaction of this migration.

ALTER TABLE audit ADD COLUMN hash BLOB;

-- One row, written with each row of `audit`: its newest, so that those at the end cannot go unseen.
CREATE TABLE audit_head (
    id          INTEGER NOT NULL,           -- 0: there is none yet
    hash        BLOB                        -- NULL: the same
);
INSERT INTO audit_head (id) VALUES (0);

-- The history of a certificate.
CREATE INDEX audit_by_serial ON audit (serial, id) WHERE serial IS NOT NULL;
