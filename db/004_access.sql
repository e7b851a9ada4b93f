-- What a token may, and for how long. Those from before may everything, as they did.

ALTER TABLE token ADD COLUMN role INTEGER NOT NULL DEFAULT 3; -- 1 viewer, 2 operator, 3 administrator
ALTER TABLE token ADD COLUMN issuers TEXT;                    -- names, a blank between two; NULL: all
ALTER TABLE token ADD COLUMN expires_at INTEGER;              -- NULL: never
ALTER TABLE token ADD COLUMN last_used_at INTEGER;            -- to the minute; NULL: not since this column is here
