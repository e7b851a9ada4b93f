-- How many certificates an issuer has, by status, counted with each change: those that are good are the rest.

ALTER TABLE issuer ADD COLUMN registered INTEGER NOT NULL DEFAULT 0; -- rows in `certificate`
ALTER TABLE issuer ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;    -- of these for good …
ALTER TABLE issuer ADD COLUMN held INTEGER NOT NULL DEFAULT 0;       -- … and on hold
UPDATE issuer SET registered = (SELECT count(*) FROM certificate c WHERE c.issuer = issuer.id),
    revoked = (SELECT count(*) FROM revocation r WHERE r.issuer = issuer.id AND r.status = 1),
    held = (SELECT count(*) FROM revocation r WHERE r.issuer = issuer.id AND r.status = 2);
