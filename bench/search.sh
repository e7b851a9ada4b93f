#!/bin/bash
# Searching ROWS certificates of an issuer: any filter, any cursor, beside a program that reads the same database and does
# nothing else. Of one issuer nearly all are good, of another nearly all are revoked; a few of each are on hold.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
ROWS=${ROWS:-1000000} ROUNDS=${ROUNDS:-100}

# Straight into the database of an annuld that does not run.
fill() { # ISSUER ROWS WHICH ARE REVOKED OR ON HOLD
    sqlite3 "$dir/annul.db" <<SQL
PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;
BEGIN;
CREATE TEMP TABLE fresh AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2)
    SELECT i, CAST(X'10' || randomblob(16) AS BLOB) AS serial FROM n ORDER BY 2;
INSERT INTO certificate (issuer, serial, not_before, not_after, subject)
    SELECT (SELECT id FROM issuer WHERE name = '$1'), serial, 1763715600, 2082758399, printf('CN=device-%07d,O=Annul', i) FROM fresh;
INSERT INTO revocation (issuer, serial, version, status, reason, revoked_at, not_after)
    SELECT (SELECT id FROM issuer WHERE name = '$1'), serial, 1, iif(i % 100000 = 7, 2, 1), iif(i % 100000 = 7, 6, 1), 1714975689, 2082758399
    FROM fresh WHERE $3;
UPDATE change SET counter = max(counter, 1);
UPDATE issuer SET changed = 1, registered = $2, held = $2 / 100000, revoked = (SELECT count(*) FROM fresh WHERE $3) - $2 / 100000
    WHERE name = '$1';
COMMIT;
SQL
}

write_config </dev/null
start_daemon
make_token bench
stop_daemon
fill issuing-client "$ROWS" "i % 1000 = 7"
fill issuing-server "$ROWS" "i % 100000 <> 99999"
start_daemon
python3 "$top/bench/search.py" "$admin" "$token" "$dir/annul.db" "$ROUNDS" >"$dir/table" || die "cannot search"
printf '\n%d certificates of each of two issuers\n\n' "$ROWS"
sed '$d' "$dir/table"
printf '| target | limit | measured | met |\n|---|---|---|---|\n'
target "95 % of the pages of $ROWS" "at most" 50 ms "$(tail -n 1 "$dir/table")"
