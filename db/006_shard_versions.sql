-- What changed of a shard since: it may long have been the same while much changed in others.

CREATE INDEX revocation_by_shard_version ON revocation (issuer, shard, version) WHERE shard IS NOT NULL;
