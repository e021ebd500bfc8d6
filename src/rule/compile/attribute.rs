//! Attributes: sets of members by the index of values. Properties: expressions over an event's JSON.

use super::{Compiler, joined};
use crate::{
    rule::{
        Scalar,
        condition::{Edge, Property, Range, Test},
    },
    store::Value,
    time::{DAY, Day},
};

/// The kinds of an attribute that is there.
const THERE: &str = "('boolean', 'number', 'text', 'date', 'list')";

impl Compiler {
    /// The member has the attribute, and it passes.
    pub(super) fn attribute(&mut self, name: &str, test: &Test) -> String {
        let name = self.bind(name);
        if let Test::Contains(element) = test {
            let element = self.bind(element);
            return self.is_member_of(&format!(
                "SELECT i.member FROM attribute_items i WHERE i.account = ?1 AND i.name = {name} AND i.value = {element}"
            ));
        }
        let value = match test {
            Test::Equals(value) => {
                let placeholder = self.bind(value);
                format!("a.kind = '{}' AND a.value = {placeholder}", value.kind())
            }
            Test::In(values) => {
                let kinds = if is_texts(values) { "IN ('text', 'date')" } else { "= 'number'" };
                let list = self.bind_list(values);
                format!("a.kind {kinds} AND a.value IN (SELECT value FROM json_each({list}))")
            }
            Test::Range(range) => {
                let kind = if range.is_of_numbers() { "number" } else { "date" };
                format!("a.kind = '{kind}'{}", self.range(range, "a.value"))
            }
            Test::Anniversary { from, to } => {
                let days = self.anniversaries(*from, *to);
                format!("a.kind = 'date' AND substr(a.value, 6) IN (SELECT value FROM json_each({days}))")
            }
            Test::Present(_) | Test::Contains(_) => format!("a.kind IN {THERE}"),
        };
        self.is_member_of(&format!(
            "SELECT a.member FROM attributes a INDEXED BY attributes_by_value \
             WHERE a.account = ?1 AND a.name = {name} AND {value}"
        ))
    }

    /// ` AND …` for each bound.
    pub(super) fn range(&mut self, range: &Range, value: &str) -> String {
        let mut edge = |edge: &Option<Edge>, sign: &str| match edge {
            Some(Edge { value: bound, included }) => {
                format!(" AND {value} {sign}{} {}", if *included { "=" } else { "" }, self.bind(bound))
            }
            None => String::new(),
        };
        [edge(&range.low, ">"), edge(&range.high, "<")].concat()
    }

    /// The days of the year, as `MM-DD`, from so many days from today to so many, by the clocks of Japan. Where the year has no
    /// 29 February, those who were born on it celebrate on the 28th.
    fn anniversaries(&mut self, from: i64, to: i64) -> String {
        let mut days = Vec::new();
        for ahead in from..=to {
            let day = Day::of(self.now + ahead * DAY);
            let of_year = of_year(day);
            if of_year == "02-28" && self::of_year(day.after()) == "03-01" {
                days.push("02-29".to_owned());
            }
            days.push(of_year);
        }
        self.bind_list(&days)
    }

    /// A condition on a property of the event `e`: true, or else false or NULL.
    pub(super) fn property(&mut self, name: &str, property: &Property) -> String {
        let tests = match property {
            Property::Value(test) => return self.tested("e.properties", name, test),
            Property::Any(tests) => tests,
        };
        let path = self.path(name);
        let tests: Vec<String> =
            tests.iter().map(|(name, test)| format!("({})", self.tested("i.object", name, test))).collect();
        format!(
            "json_type(e.properties, {path}) = 'array' AND EXISTS (SELECT 1 FROM (SELECT CASE j.type WHEN 'object' \
             THEN j.value END AS object FROM json_each(e.properties, {path}) j) i WHERE i.object IS NOT NULL AND {})",
            joined(&tests, " AND ")
        )
    }

    /// A condition on what `object`, SQL that is JSON, has by this name: true, or else false or NULL.
    fn tested(&mut self, object: &str, name: &str, test: &Test) -> String {
        let path = self.path(name);
        let (kind, value) = (format!("json_type({object}, {path})"), format!("{object} ->> {path}"));
        let date = format!("{kind} = 'text' AND length({value}) = 10 AND date({value}) = {value}");
        match test {
            Test::Equals(Scalar::Boolean(truth)) => format!("{kind} = '{truth}'"),
            Test::Equals(scalar) => {
                format!("{kind} {} AND {value} = {}", json_kinds(scalar), self.bind(scalar))
            }
            Test::In(values) => {
                let kinds = values.first().map_or("= 'text'", json_kinds);
                format!(
                    "{kind} {kinds} AND {value} IN (SELECT value FROM json_each({}))",
                    self.bind_list(values)
                )
            }
            Test::Range(range) if range.is_of_numbers() => {
                format!("{kind} IN ('integer', 'real'){}", self.range(range, &value))
            }
            Test::Range(range) => format!("{date}{}", self.range(range, &value)),
            Test::Present(true) => format!("{kind} <> 'null'"),
            Test::Present(false) => format!("ifnull({kind}, 'null') = 'null'"),
            Test::Anniversary { from, to } => {
                let days = self.anniversaries(*from, *to);
                format!("{date} AND substr({value}, 6) IN (SELECT value FROM json_each({days}))")
            }
            Test::Contains(element) => format!(
                "{kind} = 'array' AND EXISTS (SELECT 1 FROM json_each({object}, {path}) j \
                 WHERE j.type {} AND j.value = {})",
                json_kinds(element),
                self.bind(element)
            ),
        }
    }

    /// The path of a property. What could end the quotation cannot stand in a name.
    pub(super) fn path(&mut self, name: &str) -> String {
        self.bind(format!("$.\"{name}\""))
    }
}

impl Range {
    /// Whether it is of numbers, and not of dates.
    fn is_of_numbers(&self) -> bool {
        let edge = self.low.as_ref().or(self.high.as_ref());
        edge.is_none_or(|edge| matches!(edge.value, Scalar::Number(_)))
    }
}

/// `MM-DD`.
fn of_year(day: Day) -> String {
    let date = day.to_string();
    date.get(date.len().saturating_sub(5)..).unwrap_or_default().to_owned()
}

fn is_texts(values: &[Scalar]) -> bool {
    matches!(values.first(), Some(Scalar::Text(_)))
}

/// The types that JSON calls such a value.
fn json_kinds(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Number(_) => "IN ('integer', 'real')",
        _ => "= 'text'",
    }
}

impl From<&Scalar> for Value {
    fn from(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Boolean(truth) => Self::from(*truth),
            Scalar::Number(number) => Self::Real(*number),
            Scalar::Text(text) => Self::from(text.as_str()),
        }
    }
}
