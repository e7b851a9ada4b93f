-- Shards and delta CRLs, and what pruning needs.

ALTER TABLE issuer ADD COLUMN shards INTEGER NOT NULL DEFAULT 0;  -- by which `revocation.shard` was decided
ALTER TABLE certificate ADD COLUMN shard INTEGER;                 -- that its distribution point names; NULL: none
ALTER TABLE revocation ADD COLUMN shard INTEGER;                  -- that lists it; NULL: the issuer has none
ALTER TABLE revocation ADD COLUMN not_after INTEGER;              -- as in `certificate`, for pruning
UPDATE revocation SET not_after = (SELECT c.not_after FROM certificate c
                                   WHERE c.issuer = revocation.issuer AND c.serial = revocation.serial);

-- What changed since: delta CRLs.
CREATE INDEX revocation_by_version ON revocation (issuer, version);
-- One shard, in serial order.
CREATE INDEX revocation_by_shard ON revocation (issuer, shard, serial) WHERE shard IS NOT NULL;

-- Every sequence of CRL numbers: a complete CRL and its deltas share one.
CREATE TABLE crl_sequence (
    issuer      INTEGER NOT NULL,
    shard       INTEGER NOT NULL,           -- -1: the whole CRL
    number      INTEGER NOT NULL,           -- last one taken; only ever goes up
    changed     INTEGER NOT NULL DEFAULT 0, -- change counter at the last change to this shard; of the whole, see issuer
    moved       INTEGER NOT NULL DEFAULT 0, -- the same, when an entry last went from or to another shard
    PRIMARY KEY (issuer, shard)
);
INSERT INTO crl_sequence (issuer, shard, number) SELECT issuer, -1, number FROM crl;

-- The CRLs that are published.
CREATE TABLE publication (
    issuer      INTEGER NOT NULL,
    shard       INTEGER NOT NULL,           -- -1: the whole CRL
    delta       INTEGER NOT NULL,           -- 0 complete, 1 a delta
    number      INTEGER NOT NULL,           -- also the name of its files
    covers      INTEGER NOT NULL,           -- change counter that it tells of
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    digest      BLOB    NOT NULL,           -- SHA-256 of the DER file
    shape       BLOB    NOT NULL,           -- SHA-256 of what the configuration says of it
    regular_at  INTEGER,                    -- thisUpdate of the last complete one that came by schedule …
    regular_covers INTEGER,                 -- … and the change counter that it told of
    base        INTEGER,                    -- delta: the base's number; complete: the one published before it, …
    base_covers INTEGER,                    -- … on which deltas build; and what that told of
    crl_number  BLOB,                       -- CRLNumber, where the CRL was made elsewhere
    PRIMARY KEY (issuer, shard, delta)
);
INSERT INTO publication (issuer, shard, delta, number, covers, this_update, next_update, entries, digest, shape)
    SELECT issuer, -1, 0, published, covers, this_update, next_update, entries, digest, digest
    FROM crl WHERE digest IS NOT NULL;
DROP TABLE crl;
