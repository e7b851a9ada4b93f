-- Annul's certificate status database, version 1.
--
-- SQL in the subset that SQLite and PostgreSQL share, but for the words the backend replaces.
-- Times are Unix seconds. A serial is one octet that holds its length, then its octets without leading
-- zeros: so the order of the blobs is the order of the numbers.

-- The certification authorities of the configuration, by section title.
CREATE TABLE issuer (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    fingerprint BLOB    NOT NULL,           -- SHA-256 of its subject and public key: another CA under an old
                                            -- name is refused, a renewed certificate of the same CA is not
    changed     INTEGER NOT NULL DEFAULT 0  -- change counter at the last change to its revocations
);

-- What was issued. A plain row, without subject and dates, takes about 30 octets.
CREATE TABLE certificate (
    issuer      INTEGER NOT NULL,
    serial      BLOB    NOT NULL,
    not_before  INTEGER,
    not_after   INTEGER,
    subject     TEXT,                       -- RFC 2253, UTF-8
    PRIMARY KEY (issuer, serial)
) WITHOUT ROWID;

-- What of it no longer counts: in this order it is the CRL. A certificate without a row here is good.
CREATE TABLE revocation (
    issuer      INTEGER NOT NULL,
    serial      BLOB    NOT NULL,
    version     INTEGER NOT NULL,           -- change counter at the last change to this row
    status      INTEGER NOT NULL,           -- 0 released from hold (kept for delta CRLs), 1 revoked, 2 on hold
    reason      INTEGER NOT NULL,           -- CRLReason, RFC 5280 section 5.3.1
    revoked_at  INTEGER NOT NULL,
    invalid_at  INTEGER,                    -- invalidityDate, RFC 5280 section 5.3.2
    PRIMARY KEY (issuer, serial)
) WITHOUT ROWID;

-- The CRL of each issuer. `number` is taken before anybody can see the CRL that carries it; the columns
-- behind it describe the last one that was published.
CREATE TABLE crl (
    issuer      INTEGER PRIMARY KEY,
    number      INTEGER NOT NULL,           -- last number taken; only ever goes up
    published   INTEGER,                    -- number of the last one published
    covers      INTEGER,                    -- change counter that it tells of
    this_update INTEGER,
    next_update INTEGER,
    entries     INTEGER,
    digest      BLOB                        -- SHA-256 of the DER file
);

-- One row: counts every committed change of status.
CREATE TABLE change (
    counter     INTEGER NOT NULL
);
INSERT INTO change (counter) VALUES (0);

-- Bearer tokens of the admin API; only the SHA-256 of a token is kept.
CREATE TABLE token (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    hash        BLOB    NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
);

-- Who did what, written in the same transaction as the change.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    actor       TEXT    NOT NULL,           -- "token:ops", "uid:0"
    origin      TEXT    NOT NULL,           -- "127.0.0.1", "unix"
    action      TEXT    NOT NULL,           -- "revoke", "release", "register", "import", …
    issuer      TEXT,
    serial      BLOB,
    detail      TEXT    NOT NULL            -- what changed, for a person
);
