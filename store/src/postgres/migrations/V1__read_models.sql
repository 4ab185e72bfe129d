-- What clients see are views in the schema `reinstate`. Their rows lie in a generation, a schema of its own
-- (`reinstate_1`, `reinstate_2`, …), so that a rebuild fills the next one beside them and the views change over in one transaction.
-- Rows are only ever made of the log: drop this schema and its generations, and they are made again.
-- (refinery has made the schema `reinstate` already: its own table of migrations lies there.)

CREATE TABLE reinstate.control (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    -- The generation that the views show, and the number of the newest that was ever begun.
    live int NOT NULL,
    newest int NOT NULL
);

-- The log that the rows were made of. Rows of one log must never be brought forward with another's.
CREATE TABLE reinstate.identity (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    cluster text NOT NULL,
    topic text NOT NULL,
    topic_id text NOT NULL,
    partitions int NOT NULL
);

-- How often a verifier has begun to examine a piece of evidence that has no finding yet. Not made of the log: this is about
-- the workers that died over it.
CREATE TABLE reinstate.attempts (
    evidence uuid PRIMARY KEY,
    begun int NOT NULL,
    last timestamptz NOT NULL DEFAULT now()
);

-- An empty generation without indexes, ready for COPY.
--
-- `row` is the row as JSON, byte for byte what the program made of the log; the other columns are taken from it for searching.
-- Ids are in the order of their bytes (COLLATE "C"). Times are nanoseconds since 1970: timestamptz would round them.
-- `position` is the offset of the newest entry that the row is made of.
CREATE FUNCTION reinstate.begin_generation() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    number int;
    generation text;
    compression text := '';
BEGIN
    INSERT INTO reinstate.control (live, newest) VALUES (1, 1)
        ON CONFLICT (one) DO UPDATE SET newest = control.newest + 1 RETURNING newest INTO number;
    generation := 'reinstate_' || number;
    -- Rows over 2 kB are compressed; pglz is several times slower than lz4, which not every build has.
    IF 'lz4' = ANY (SELECT unnest(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
        compression := 'COMPRESSION lz4';
    END IF;
    EXECUTE format('CREATE SCHEMA %I', generation);
    EXECUTE format('CREATE TABLE %I.accounts (
        account text COLLATE "C" NOT NULL,
        partition int NOT NULL,
        position bigint NOT NULL,
        version bigint NOT NULL,
        status text COLLATE "C" NOT NULL,
        deadline bigint,
        deadline_case uuid,
        work_since bigint,
        quarantined_at bigint,
        row json %s NOT NULL)', generation, compression);
    EXECUTE format('CREATE TABLE %I.reactivations (
        case_id uuid NOT NULL,
        account text COLLATE "C" NOT NULL,
        partition int NOT NULL,
        position bigint NOT NULL,
        version bigint NOT NULL,
        status text COLLATE "C" NOT NULL,
        row json %s NOT NULL)', generation, compression);
    -- The effective entries. All entries of an account are in one partition.
    EXECUTE format('CREATE TABLE %I.timelines (
        account text COLLATE "C" NOT NULL,
        partition int NOT NULL,
        position bigint NOT NULL)', generation);
    -- `next` is the offset of the partition''s first entry that is not in the rows.
    EXECUTE format('CREATE TABLE %I.checkpoints (
        partition int PRIMARY KEY,
        next bigint NOT NULL)', generation);
    RETURN number;
END $$;

-- What a generation needs to be changed row by row, and queried.
CREATE FUNCTION reinstate.index_generation(number int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    generation text := 'reinstate_' || number;
BEGIN
    EXECUTE format('ALTER TABLE %I.accounts ADD PRIMARY KEY (account)', generation);
    EXECUTE format('ALTER TABLE %I.reactivations ADD PRIMARY KEY (case_id)', generation);
    EXECUTE format('ALTER TABLE %I.timelines ADD PRIMARY KEY (account, position)', generation);
    EXECUTE format('CREATE INDEX ON %I.accounts (status, account)', generation);
    EXECUTE format('CREATE INDEX ON %I.accounts (deadline, account) WHERE deadline IS NOT NULL', generation);
    EXECUTE format('CREATE INDEX ON %I.accounts (work_since, account) WHERE work_since IS NOT NULL', generation);
    EXECUTE format('CREATE INDEX ON %I.accounts (account) WHERE quarantined_at IS NOT NULL', generation);
    EXECUTE format('CREATE INDEX ON %I.reactivations (status, case_id)', generation);
    EXECUTE format('CREATE INDEX ON %I.reactivations (account)', generation);
    EXECUTE format('ANALYZE %I.accounts', generation);
    EXECUTE format('ANALYZE %I.reactivations', generation);
    EXECUTE format('ANALYZE %I.timelines', generation);
END $$;

-- Lets the views show a generation. Who calls this keeps writers out (advisory lock) until it commits.
CREATE FUNCTION reinstate.publish_generation(number int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    generation text := 'reinstate_' || number;
BEGIN
    EXECUTE format('CREATE OR REPLACE VIEW reinstate.accounts AS
        SELECT account, partition, position, version, status, deadline, deadline_case, work_since, quarantined_at, row
        FROM %I.accounts', generation);
    EXECUTE format('CREATE OR REPLACE VIEW reinstate.reactivations AS
        SELECT case_id, account, partition, position, version, status, row FROM %I.reactivations', generation);
    EXECUTE format('CREATE OR REPLACE VIEW reinstate.timelines AS
        SELECT account, partition, position FROM %I.timelines', generation);
    EXECUTE format('CREATE OR REPLACE VIEW reinstate.checkpoints AS
        SELECT partition, next FROM %I.checkpoints', generation);
    UPDATE reinstate.control SET live = number;
END $$;

SELECT reinstate.publish_generation(n), reinstate.index_generation(n) FROM reinstate.begin_generation() AS n;

-- For people. What is to be reviewed, and what halts and why.
CREATE VIEW reinstate.reviews AS SELECT * FROM reinstate.reactivations WHERE status = 'in_review';

CREATE VIEW reinstate.quarantine AS
    SELECT account, partition, quarantined_at AS position, row -> 'quarantine' ->> 'detail' AS detail
    FROM reinstate.accounts WHERE quarantined_at IS NOT NULL;
