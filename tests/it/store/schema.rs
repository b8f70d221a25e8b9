//! The migrations and the schema.

use super::*;
use crate::world::database::empty;
use keywright::store::TABLES;

const SQLITE_COLUMNS: &str = "SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || (c.pk > 0) AS text \
     FROM sqlite_schema m, pragma_table_info(m.name) c \
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY m.name, c.cid";

const POSTGRES_COLUMNS: &str = "SELECT c.table_name || '.' || c.column_name || ' ' || c.data_type || ' ' || \
     (c.is_nullable = 'NO')::int || ' ' || (EXISTS (SELECT 1 FROM information_schema.table_constraints t \
     JOIN information_schema.key_column_usage k USING (constraint_schema, constraint_name) \
     WHERE t.constraint_type = 'PRIMARY KEY' AND t.table_schema = c.table_schema AND k.table_name = c.table_name \
     AND k.column_name = c.column_name))::int AS text FROM information_schema.columns c \
     WHERE c.table_schema = current_schema() AND c.table_name NOT LIKE '\\_\\_%' ORDER BY c.table_name COLLATE \"C\", c.ordinal_position";

const SQLITE_INDEXES: &str = "SELECT m.name || ' ' || i.origin || ' ' || i.\"unique\" || ' ' || \
     (SELECT group_concat(x.name) FROM pragma_index_info(i.name) x) AS text \
     FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' \
     AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY 1";

const POSTGRES_INDEXES: &str = "SELECT t.relname || ' ' || \
     CASE WHEN i.indisprimary THEN 'pk' WHEN i.indisunique THEN 'u' ELSE 'c' END || ' ' || i.indisunique::int || ' ' || \
     (SELECT string_agg(a.attname, ',' ORDER BY array_position(i.indkey::int2[], a.attnum)) \
      FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY(i.indkey)) COLLATE \"C\" AS text \
     FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
     WHERE n.nspname = current_schema() AND t.relkind = 'r' AND t.relname NOT LIKE '\\_\\_%' ORDER BY 1";

/// The type a column has in both: Postgres' words, as SQLite's.
fn common(column: &str) -> String {
    let column = column.to_lowercase();
    let words: [(&str, &str); 7] = [
        (" timestamp with time zone ", " integer "),
        (" jsonb ", " text "),
        (" bytea ", " blob "),
        (" boolean ", " integer "),
        (" smallint ", " integer "),
        (" bigint ", " integer "),
        // A rowid can never be null, though SQLite does not call it so.
        ("change_feed.epoch integer 0 1", "change_feed.epoch integer 1 1"),
    ];
    words.iter().fold(column, |column, (theirs, ours)| column.replace(theirs, ours))
}

#[test]
fn both_databases_have_the_same_columns_and_the_program_expects_them() {
    let expected: Vec<String> = {
        let mut tables = TABLES.to_vec();
        tables.sort_unstable();
        tables.iter().flat_map(|(table, columns)| columns.iter().map(move |c| format!("{table}.{c}"))).collect()
    };
    let mut seen = Vec::new();
    each(|db| {
        let sql = if db.is_sqlite() { SQLITE_COLUMNS } else { POSTGRES_COLUMNS };
        let columns: Vec<_> = db.backdoor().texts(sql).iter().map(|c| common(c)).collect();
        let names: Vec<_> = columns.iter().filter_map(|c| c.split(' ').next()).collect();
        assert_eq!(names, expected);
        SEEN.with_borrow_mut(|seen| seen.push(columns));
    });
    SEEN.with_borrow_mut(|all| seen.append(all));
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
}

#[test]
fn both_databases_have_the_same_indexes() {
    each(|db| {
        let sql = if db.is_sqlite() { SQLITE_INDEXES } else { POSTGRES_INDEXES };
        // A rowid has no index of its own in SQLite.
        let mut indexes: Vec<_> =
            db.backdoor().texts(sql).into_iter().filter(|i| i != "change_feed pk 1 epoch").collect();
        indexes.sort_unstable();
        SEEN.with_borrow_mut(|seen| seen.push(indexes));
    });
    SEEN.with_borrow(|seen| assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}"));
}

thread_local! {
    static SEEN: std::cell::RefCell<Vec<Vec<String>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Two branches that each add a migration may give it the same number: then one is never applied.
#[test]
fn no_two_migrations_have_the_same_number_and_both_databases_have_the_same() {
    let names = |dialect: &str| {
        let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
        let entries = std::fs::read_dir(place).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        entries.collect::<std::collections::BTreeSet<String>>()
    };
    let all = names("postgres");
    assert_eq!(all, names("sqlite"));
    let numbers: std::collections::BTreeSet<_> =
        all.iter().filter_map(|name| name.split_once('_')).map(|(n, _)| n).collect();
    assert_eq!(numbers.len(), all.len(), "{all:?}");
}

#[test]
fn migrations_go_up_down_and_up_again() {
    for db in empty() {
        let names = db.store.pending_migrations_blocking().unwrap();
        assert!(!names.is_empty());
        assert_eq!(db.store.migrate_blocking().unwrap().len(), names.len());
        assert!(db.store.pending_migrations_blocking().unwrap().is_empty());
        assert!(db.store.migrate_blocking().unwrap().is_empty(), "a second time there is nothing to do");
        populate(&db);
        assert_eq!(db.store.revert_all_blocking().unwrap().len(), names.len());
        let sql = if db.is_sqlite() { SQLITE_COLUMNS } else { POSTGRES_COLUMNS };
        assert!(db.backdoor().texts(sql).is_empty());
        assert_eq!(db.store.migrate_blocking().unwrap().len(), names.len());
        populate(&db);
    }
}

#[test]
fn nodes_that_open_and_migrate_at_once_do_it_once() {
    for db in empty() {
        let done = at_once(4, |_| {
            let store = db.another();
            let done = store.migrate_blocking().unwrap();
            store.close();
            done
        });
        assert_eq!(done.iter().filter(|names| !names.is_empty()).count(), 1, "{done:?}");
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    each(|db| {
        if let Some(path) = db.settings.url.expose().strip_prefix("sqlite:") {
            for end in ["", "-wal", "-shm"] {
                let mode = std::fs::metadata(format!("{path}{end}")).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{end}");
            }
        }
    });
}
