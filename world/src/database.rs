//! D1: `SQLite` in memory with the product's migrations, D1's limits, and a check of every statement's query plan.
//!
//! In: statements. Out: outcomes, or the error after which nothing of the batch has happened. Limits are those of
//! D1's documentation ("Limits"); what `SQLite` itself would allow, D1 would refuse.

use std::{collections::HashSet, fs, path::Path, sync::OnceLock};

use enishi::{
    platform::Outcome,
    store::{Statement, Value},
};
use rusqlite::{Connection, ToSql, limits::Limit, params_from_iter, types::ToSqlOutput};
use serde_json::Value as Json;

use crate::{World, json, plan::Schema};

/// Statements that D1 keeps for itself.
const RESERVED: [&str; 8] =
    ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "PRAGMA"];

/// Bound parameters that D1 allows in one statement.
const MAX_PARAMETERS: usize = 100;

/// D1's limits on what `SQLite` can limit itself.
const LIMITS: [(Limit, i32); 8] = [
    (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
];

/// Why a batch failed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It broke a rule that holds whatever is stored.
    Breach(String),
    /// What is stored does not admit it: a constraint.
    Constraint(String),
}

/// One database.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    schema: Schema,
    judged: HashSet<String>,
}

impl Database {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().expect("SQLite opens in memory");
        connection.execute_batch(migrations()).expect("the migrations apply");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("foreign keys are built in");
        connection.set_prepared_statement_cache_capacity(500);
        for (limit, value) in LIMITS {
            connection.set_limit(limit, value).expect("the limit exists");
        }
        let schema = schema(&connection).expect("the schema is readable");
        Self { connection, schema, judged: HashSet::new() }
    }

    /// Runs statements as one transaction.
    pub(crate) fn batch(&mut self, statements: &[Statement]) -> Result<Vec<Outcome>, Refused> {
        for statement in statements {
            self.judge(statement).map_err(|why| Refused::Breach(format!("{why}: {}", statement.sql)))?;
        }
        let transaction = self.connection.transaction().map_err(|error| refused(&error))?;
        let outcomes =
            statements.iter().map(|statement| run(&transaction, statement)).collect::<Result<_, _>>()?;
        transaction.commit().map_err(|error| refused(&error))?;
        Ok(outcomes)
    }

    /// Judges a statement before anything runs: (1) its values, (2) its verb, (3) its plan, once per text.
    fn judge(&mut self, statement: &Statement) -> Result<(), String> {
        // (1)
        if statement.values.len() > MAX_PARAMETERS {
            return Err(format!("{} bound parameters", statement.values.len()));
        }
        statement.values.iter().try_for_each(judge_value)?;
        // (2)
        let verb = statement.sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        if RESERVED.contains(&verb.as_str()) {
            return Err(format!("{verb} is not for a batch"));
        }
        // (3)
        if self.judged.contains(&*statement.sql) {
            return Ok(());
        }
        let plan = self.plan(&statement.sql).map_err(|error| error.to_string())?;
        if let Some(line) = self.schema.scan(&statement.sql, &plan) {
            return Err(format!("reads a whole table ({line})"));
        }
        self.judged.insert(statement.sql.to_string());
        Ok(())
    }

    /// Reads whatever a test wants to see.
    fn query(&self, sql: &str) -> Result<Vec<Json>, String> {
        let error = |error: rusqlite::Error| error.to_string();
        let mut select = self.connection.prepare(sql).map_err(error)?;
        let columns: Vec<String> = select.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = select.raw_query();
        let mut objects = Vec::new();
        while let Some(row) = rows.next().map_err(error)? {
            objects.push(json::object(row, &columns)?);
        }
        Ok(objects)
    }

    fn plan(&self, sql: &str) -> rusqlite::Result<Vec<String>> {
        let mut explain = self.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        explain.raw_query().mapped(|row| row.get("detail")).collect()
    }
}

impl World {
    /// What stands in the database, for tests; neither counted nor judged.
    ///
    /// # Panics
    ///
    /// If it is no SQL.
    #[must_use]
    pub fn query(&self, sql: &str) -> Vec<Json> {
        self.database.borrow().query(sql).unwrap_or_else(|why| panic!("{why}: {sql}"))
    }

    /// Writes into the database what would take a test too long to bring about; neither counted nor judged.
    ///
    /// # Panics
    ///
    /// If it is no SQL.
    pub fn execute(&self, sql: &str) {
        let database = self.database.borrow();
        database.connection.execute_batch(sql).unwrap_or_else(|why| panic!("{why}: {sql}"));
    }
}

fn judge_value(value: &Value) -> Result<(), String> {
    match value {
        Value::Integer(number) if !json::is_exact(*number) => Err(format!("{number} is beyond 2^53")),
        Value::Real(number) if !number.is_finite() => Err(format!("{number} is no number")),
        _ => Ok(()),
    }
}

fn run(connection: &Connection, statement: &Statement) -> Result<Outcome, Refused> {
    let breach = |why: String| Refused::Breach(format!("{why}: {}", statement.sql));
    let mut prepared =
        connection.prepare_cached(&statement.sql).map_err(|error| breach(error.to_string()))?;
    if prepared.parameter_count() != statement.values.len() {
        let (wanted, bound) = (prepared.parameter_count(), statement.values.len());
        return Err(breach(format!("{wanted} placeholders, {bound} values")));
    }
    let columns: Vec<String> = prepared.column_names().into_iter().map(str::to_owned).collect();
    let before = connection.total_changes();
    let mut rows = prepared
        .query(params_from_iter(statement.values.iter().map(Bound)))
        .map_err(|error| refused(&error))?;
    let mut objects = Vec::new();
    while let Some(row) = rows.next().map_err(|error| refused(&error))? {
        objects.push(json::object(row, &columns).map_err(breach)?);
    }
    drop(rows);
    Ok(Outcome { changes: connection.total_changes() - before, rows: Json::Array(objects).to_string() })
}

fn refused(error: &rusqlite::Error) -> Refused {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => Refused::Constraint(error.to_string()),
        _ => Refused::Breach(error.to_string()),
    }
}

/// A value as D1 binds it. JavaScript has one kind of number, so every number arrives as a double: a column that holds
/// integers takes it as one, but `7 / ?1` divides with a fraction and `'a' || ?1` reads `a1.0`.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.0 {
            Value::Null => Ok(ToSqlOutput::Owned(rusqlite::types::Value::Null)),
            #[expect(clippy::cast_precision_loss, reason = "integers beyond 2^53 were refused before")]
            Value::Integer(number) => Ok((*number as f64).into()),
            Value::Real(number) => Ok((*number).into()),
            Value::Text(text) => text.to_sql(),
        }
    }
}

fn schema(connection: &Connection) -> rusqlite::Result<Schema> {
    let names = |condition: &str| -> rusqlite::Result<HashSet<String>> {
        let mut select = connection.prepare(&format!("SELECT name FROM sqlite_schema WHERE {condition}"))?;
        let rows = select.query_map([], |row| row.get(0))?;
        rows.collect()
    };
    Ok(Schema {
        tables: names("type = 'table'")?,
        partial_indexes: names("type = 'index' AND sql LIKE '% WHERE %'")?,
    })
}

/// Every migration, in the order of their names.
fn migrations() -> &'static str {
    static MIGRATIONS: OnceLock<String> = OnceLock::new();
    MIGRATIONS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let entries = fs::read_dir(folder).expect("the migrations are beside the world");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).expect("a readable migration")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSERT: &str =
        "INSERT INTO dead_letters (id, source, reason, body, at) VALUES (?1, 's', 'r', 'b', ?2)";

    fn insert(id: &str, at: i64) -> Statement {
        Statement::new(INSERT).bind(id).bind(at)
    }

    fn is_breach(statement: Statement) -> bool {
        matches!(Database::new().batch(&[statement]), Err(Refused::Breach(_)))
    }

    #[test]
    fn a_batch_that_fails_leaves_nothing_behind() {
        let mut database = Database::new();
        let refused = database.batch(&[insert("1", 1), insert("1", 2)]);
        assert!(matches!(refused, Err(Refused::Constraint(_))));
        let count = Statement::new("SELECT count(*) AS n FROM dead_letters WHERE id = '1'");
        assert_eq!(database.batch(&[count]).unwrap()[0].rows, r#"[{"n":0}]"#);
    }

    #[test]
    fn changes_are_those_of_each_statement() {
        let select = Statement::new("SELECT id, at FROM dead_letters WHERE id = ?1").bind("1");
        let outcomes = Database::new().batch(&[insert("1", 7), select]).unwrap();
        assert_eq!((outcomes[0].changes, outcomes[1].changes), (1, 0));
        assert_eq!(outcomes[1].rows, r#"[{"at":7,"id":"1"}]"#);
    }

    #[test]
    fn a_bound_number_is_a_double_until_a_column_takes_it_as_an_integer() {
        let mut database = Database::new();
        let divided = Statement::new("SELECT 7 / ?1 AS n, 'a' || ?1 AS t").bind(2);
        assert_eq!(database.batch(&[divided]).unwrap()[0].rows, r#"[{"n":3.5,"t":"a2.0"}]"#);
        let stored = Statement::new("SELECT typeof(at) AS kind FROM dead_letters WHERE id = '1'");
        assert_eq!(database.batch(&[insert("1", 7), stored]).unwrap()[1].rows, r#"[{"kind":"integer"}]"#);
    }

    #[test]
    fn what_d1_would_refuse_is_refused() {
        assert!(is_breach(insert("1", json::MAX_INTEGER + 1)));
        assert!(is_breach(Statement::new("SELECT * FROM dead_letters")));
        assert!(is_breach(Statement::new("SELECT * FROM dead_letters AS d WHERE d.body = 'x'")));
        assert!(is_breach(Statement::new("SELECT 1 LIKE ?1").bind("x".repeat(51))));
        assert!(is_breach(Statement::new("BEGIN")));
        assert!(is_breach(Statement::new("SELECT ?1 AS one, ?2 AS two").bind(1)));
        let many: Vec<String> = (1..=101).map(|number| format!("?{number}")).collect();
        let many = Statement::compiled(format!("SELECT 1 IN ({})", many.join(", ")));
        assert!(is_breach((0..101).fold(many, Statement::bind)));
        assert!(is_breach(insert(&"x".repeat(2_000_001), 1)));
    }
}
