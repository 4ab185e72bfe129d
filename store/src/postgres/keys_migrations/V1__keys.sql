-- The accounts' keys, each wrapped by the master key (nonce and ciphertext, 72 bytes). Not made of the log: whoever drops this
-- schema has erased everybody. (refinery has made the schema `reinstate_keys` already.)
--
-- PostgreSQL does not overwrite: an UPDATE leaves the old row where it was, VACUUM frees its place and leaves its bytes, and only a
-- table's file that is replaced as a whole lets go of them. So the table is cut into parts that are small enough to
-- be replaced at every erasure.
CREATE TABLE reinstate_keys.keys (
    account text COLLATE "C" PRIMARY KEY,
    -- NULL: erased, for ever.
    wrapped bytea
) PARTITION BY HASH (account);

DO $$
BEGIN
    FOR n IN 0..255 LOOP
        EXECUTE format('CREATE TABLE reinstate_keys.keys_%s PARTITION OF reinstate_keys.keys
            FOR VALUES WITH (MODULUS 256, REMAINDER %s)', n, n);
    END LOOP;
END $$;

-- Erases an account's key, also of one that has none yet, and replaces the file that it was in. Says whether there was one.
-- TRUNCATE gives the part a new file whatever older snapshots there are, where VACUUM FULL would copy the rows that they can
-- still see. The part's other rows are in memory meanwhile.
CREATE FUNCTION reinstate_keys.erase(erased text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    had bool;
    part regclass;
    others reinstate_keys.keys[];
BEGIN
    -- One at a time: two that held rows of one part would wait for each other.
    PERFORM pg_advisory_xact_lock(hashtext('reinstate_keys.erase'));
    LOOP
        SELECT tableoid::regclass, wrapped IS NOT NULL INTO part, had
            FROM reinstate_keys.keys WHERE account = erased FOR UPDATE;
        IF FOUND THEN
            EXIT WHEN had;
            RETURN false;
        END IF;
        INSERT INTO reinstate_keys.keys (account, wrapped) VALUES (erased, NULL) ON CONFLICT (account) DO NOTHING;
        IF FOUND THEN
            RETURN false;
        END IF;
        -- Somebody made one meanwhile.
    END LOOP;
    UPDATE reinstate_keys.keys SET wrapped = NULL WHERE account = erased;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', part);
    EXECUTE format('SELECT array_agg(ROW(account, wrapped)::reinstate_keys.keys) FROM %s', part) INTO others;
    EXECUTE format('TRUNCATE %s', part);
    INSERT INTO reinstate_keys.keys SELECT account, wrapped FROM unnest(others);
    RETURN true;
END $$;
