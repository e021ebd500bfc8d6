//! What is asked of a value: an attribute's, or an event's property.

use crate::{
    attribute::MAX_NAME,
    rule::{
        RuleError, Scalar,
        at::{At, Fields},
        condition::{Condition, Edge, Property, Range, Test},
    },
};

/// How many values `in` takes.
const MAX_VALUES: usize = 1_000;

/// Tests of an event's properties, those of the objects in its lists among them.
const MAX_PROPERTIES: usize = 8;

/// How far an anniversary may lie from today, in days.
const MAX_DAYS: i64 = 183;

/// The tests, of which one is said; a range may have two bounds.
const TESTS: [&str; 9] = ["equals", "in", "gt", "gte", "lt", "lte", "present", "anniversary", "contains"];

/// The bounds of a range.
const BOUNDS: [&str; 4] = ["gt", "gte", "lt", "lte"];

/// `{"attribute": name, …a test…}`.
pub(super) fn attribute(at: &At<'_>, name: &At<'_>) -> Result<Condition, RuleError> {
    let known: Vec<&str> = ["attribute"].iter().chain(&TESTS).copied().collect();
    let fields = at.fields(&known)?;
    let name = name.name()?;
    Ok(match test(&fields)? {
        Test::Present(false) => Condition::Attribute { name, test: Test::Present(true) }.not(),
        test => Condition::Attribute { name, test },
    })
}

/// `{"category": {"equals": "shoes"}}`: names of properties, and what is asked of each.
pub(super) fn properties(at: &At<'_>) -> Result<Vec<(String, Property)>, RuleError> {
    let properties = each(at, property)?;
    let tests = properties.iter().map(|(_, property)| match property {
        Property::Value(_) => 1,
        Property::Any(tests) => tests.len(),
    });
    if tests.sum::<usize>() > MAX_PROPERTIES {
        return Err(at.refused(format!("must have at most {MAX_PROPERTIES} tests, those in any among them")));
    }
    Ok(properties)
}

/// A test, or `{"any": {"product_id": {"equals": "tea"}}}`: one of the objects in a list passes all of these.
fn property(at: &At<'_>) -> Result<Property, RuleError> {
    let known: Vec<&str> = ["any"].iter().chain(&TESTS).copied().collect();
    let fields = at.fields(&known)?;
    match fields.get("any") {
        None => test(&fields).map(Property::Value),
        Some(any) if fields.named(&TESTS).is_empty() => {
            each(&any, |at| test(&at.fields(&TESTS)?)).map(Property::Any)
        }
        Some(any) => Err(any.refused("cannot stand beside another test")),
    }
}

fn each<T>(
    at: &At<'_>,
    read: impl Fn(&At<'_>) -> Result<T, RuleError>,
) -> Result<Vec<(String, T)>, RuleError> {
    let fields = at.any_fields()?;
    let all: Vec<_> = fields.all().collect();
    if !(1..=MAX_PROPERTIES).contains(&all.len()) {
        return Err(at.refused(format!(
            "must be an object of 1 to {MAX_PROPERTIES} properties, with a test for each"
        )));
    }
    all.iter().map(|(name, at)| Ok((property_name(at, name)?, read(at)?))).collect()
}

fn test(fields: &Fields<'_>) -> Result<Test, RuleError> {
    let said = fields.named(&TESTS);
    let (bounds, tests): (Vec<&str>, Vec<&str>) = said.into_iter().partition(|name| BOUNDS.contains(name));
    match (tests.as_slice(), bounds.is_empty()) {
        ([], false) => range(fields).map(Test::Range),
        ([one], true) => match fields.get(one) {
            Some(at) => single(one, &at),
            None => Err(fields.refused("must have a test")),
        },
        _ => Err(fields.refused(format!("must have one test: {}", TESTS.join(", ")))),
    }
}

fn single(name: &str, at: &At<'_>) -> Result<Test, RuleError> {
    match name {
        "equals" => at.scalar().map(Test::Equals),
        "present" => at.flag().map(Test::Present),
        "anniversary" => anniversary(at),
        "contains" => match at.scalar()? {
            Scalar::Boolean(_) => Err(at.refused("must be a text or a number: lists have no others")),
            element => Ok(Test::Contains(element)),
        },
        _ => values(at),
    }
}

/// All texts, or all numbers.
fn values(at: &At<'_>) -> Result<Test, RuleError> {
    let items = at.items(MAX_VALUES)?;
    let values = items.iter().map(At::scalar).collect::<Result<Vec<Scalar>, _>>()?;
    let is_text = |value: &Scalar| matches!(value, Scalar::Text(_));
    let texts = values.first().is_some_and(is_text);
    let stray = |value: &Scalar| matches!(value, Scalar::Boolean(_)) || is_text(value) != texts;
    match items.iter().zip(&values).find(|(_, value)| stray(value)) {
        Some((item, _)) => {
            Err(item.refused("must be of one kind with the others: all texts, or all numbers"))
        }
        None => Ok(Test::In(values)),
    }
}

/// `{"from": -3, "to": 7}`: from three days before today to a week after it.
fn anniversary(at: &At<'_>) -> Result<Test, RuleError> {
    let fields = at.fields(&["from", "to"])?;
    let day = |name| fields.get(name).map_or(Ok(0), |at| at.whole(-MAX_DAYS, MAX_DAYS));
    let (from, to) = (day("from")?, day("to")?);
    if from > to {
        return Err(fields.refused("must not end before it begins: from is at most to"));
    }
    Ok(Test::Anniversary { from, to })
}

/// `gt` or `gte`, `lt` or `lte`: numbers, or dates.
fn range(fields: &Fields<'_>) -> Result<Range, RuleError> {
    let edge = |names: [&str; 2]| -> Result<Option<Edge>, RuleError> {
        match (fields.get(names[0]), fields.get(names[1])) {
            (Some(_), Some(second)) => Err(second.refused(format!("cannot stand beside {}", names[0]))),
            (Some(at), None) => bound(&at).map(|value| Some(Edge { value, included: false })),
            (None, Some(at)) => bound(&at).map(|value| Some(Edge { value, included: true })),
            (None, None) => Ok(None),
        }
    };
    let (low, high) = (edge(["gt", "gte"])?, edge(["lt", "lte"])?);
    if let (Some(low), Some(high)) = (&low, &high) {
        let both_included = low.included && high.included;
        let holds = match (&low.value, &high.value) {
            (Scalar::Number(low), Scalar::Number(high)) => low < high || both_included && low <= high,
            (Scalar::Text(low), Scalar::Text(high)) => low < high || both_included && low == high,
            _ => return Err(fields.refused("must have bounds of one kind: two numbers, or two dates")),
        };
        if !holds {
            return Err(
                fields.refused("must have its lower bound below the upper one: nothing lies between these")
            );
        }
    }
    Ok(Range { low, high })
}

fn bound(at: &At<'_>) -> Result<Scalar, RuleError> {
    match at.scalar()? {
        Scalar::Boolean(_) => Err(at.refused("must be a number, or a date (YYYY-MM-DD)")),
        text @ Scalar::Text(_) if text.kind() != "date" => {
            Err(at.refused("must be a number, or a date of the calendar (YYYY-MM-DD)"))
        }
        value => Ok(value),
    }
}

/// A range of numbers alone; `equals` is both bounds.
pub(super) fn numbers(fields: &Fields<'_>) -> Result<Range, RuleError> {
    if let Some(at) = fields.get("equals") {
        if !fields.named(&BOUNDS).is_empty() {
            return Err(at.refused("cannot stand beside gt, gte, lt or lte"));
        }
        let edge = Edge { value: Scalar::Number(at.number()?), included: true };
        return Ok(Range { low: Some(edge.clone()), high: Some(edge) });
    }
    for name in BOUNDS {
        fields.get(name).map(|at| at.number()).transpose()?;
    }
    match range(fields)? {
        Range { low: None, high: None } => Err(fields.refused("must have one of gt, gte, lt, lte, equals")),
        range => Ok(range),
    }
}

/// The name of an event's property, as it can stand in a path of JSON.
pub(super) fn property_name(at: &At<'_>, name: &str) -> Result<String, RuleError> {
    let is_name = (1..=MAX_NAME).contains(&name.chars().count())
        && !name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'));
    if is_name {
        return Ok(name.to_owned());
    }
    Err(at.refused(format!(
        "must be the name of a property: 1 to {MAX_NAME} characters, without control characters, quotation marks and backslashes"
    )))
}
