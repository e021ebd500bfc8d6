//! Members and events as CSV, by parts as links are.

use enishi::{
    event::{BUILT_IN, Form},
    time::DAY,
};
use http::Method;
use serde_json::{Map, Value, json};

use super::{begin, finish, refused, send, show};
use crate::{customer_event, erase::erase, support::Stage};

/// A part that was taken.
fn taken(stage: &Stage, id: &str, part: usize, csv: &str) -> Value {
    let (status, answer) = send(stage, id, part, csv.to_owned());
    assert_eq!(status, 200, "{answer}");
    answer
}

fn member(stage: &Stage, id: &str) -> Value {
    stage.api(&stage.shop, Method::GET, &format!("/v1/members/{id}"), None).1
}

#[test]
fn members_come_with_attributes_of_the_form_that_the_column_or_the_cell_says() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({ "kind": "members" }));
    let csv = "member_id,rank,points,vip,zip:text,birthday:date,likes:list,tags\r\n\
        m-1,gold,1200,true,1000001,1990-02-28,tea|cups,vip|old\r\n\
        m-2,007,-0.5,TRUE,0,,,\r\n\
        m-3,a,1,false,x,1990-02-30,,\r\n\
        m-1,twice,1,false,x,,,\r\n\
        m-4,too,few\r\n\
        ,a,1,false,x,,,\r\n";
    let answer = taken(&stage, &id, 1, csv);
    assert_eq!(
        (&answer["lines"], &answer["accepted"], &answer["refused"]),
        (&json!(6), &json!(2), &json!(4))
    );
    let lines = refused(&show(&stage, &id, ""));
    let lines: Vec<(u64, &str)> = lines.iter().map(|(_, line, reason)| (*line, reason.as_str())).collect();
    assert_eq!(lines, [(4, "attributes.birthday"), (5, "repeated"), (6, "malformed"), (7, "member_id")]);
    let gold = json!({
        "rank": "gold", "points": 1200, "vip": true, "zip": "1000001", "birthday": "1990-02-28", "likes": ["tea", "cups"],
    });
    assert_eq!(
        (&member(&stage, "m-1")["attributes"], &member(&stage, "m-1")["tags"]),
        (&gold, &json!(["old", "vip"]))
    );
    let other = json!({ "rank": "007", "points": -0.5, "vip": "TRUE", "zip": "0" });
    assert_eq!(member(&stage, "m-2")["attributes"], other);
    assert_eq!(taken(&stage, &id, 1, csv), answer, "again is answered alike");
    assert_eq!(finish(&stage, &id, 1).1["kind"], "members");
}

#[test]
fn columns_may_be_said_once_for_all_parts() {
    let stage = Stage::new(1);
    let columns = json!({ "kind": "members", "columns": ["as_of", "member_id", "n:text"] });
    let (status, import) = stage.api(&stage.shop, Method::POST, "/v1/imports", Some(&columns));
    assert_eq!((status, &import["columns"]), (201, &columns["columns"]));
    let id = import["id"].as_str().unwrap();
    let now = stage.world.now();
    let line = |at: i64, n: i64| format!("{},m-1,{n}\n", (now + -at * DAY).rfc3339());
    assert_eq!(taken(&stage, id, 2, &line(1, 1))["accepted"], json!(1));
    assert_eq!(
        taken(&stage, id, 1, &format!("as_of,member_id,n:text\n{}", line(2, 2)))["accepted"],
        json!(1)
    );
    assert_eq!(member(&stage, "m-1")["attributes"], json!({ "n": "1" }), "the older file came later");
    for header in ["member_id,as_of,n:text\n", "as_of,member_id,n\n", "as_of,member_id\n"] {
        let (status, error) = send(&stage, id, 3, format!("{header}{}", line(1, 1)));
        assert_eq!((status, &error["error"]), (400, &json!("invalid_csv")), "{header}: {error}");
    }
}

#[test]
fn events_come_once_whichever_way_and_whenever_they_come() {
    let stage = Stage::new(1);
    let now = stage.world.now();
    let id = begin(&stage, &json!({ "kind": "events" }));
    let csv = format!(
        "id,member_id,type,occurred_at,order_id,amount,properties\n\
         e-1,m-1,purchase,{now},77,1200,\"{{\"\"items\"\": [{{\"\"product_id\"\": \"\"p\"\"}}]}}\"\n\
         e-2,m-1,purchase,{now},78,,\n\
         e-1,m-2,visited,{now},,,\n\
         e-3,m-3,visited,{old},,,\n\
         e-4,m-4,visited,{now},,,{{}}\n\
         e-5,m-4,visited,{now},,,[]\n",
        now = now.rfc3339(),
        old = (now + -500 * DAY).rfc3339()
    );
    let answer = taken(&stage, &id, 1, &csv);
    assert_eq!(
        (&answer["accepted"], &answer["repeated"], &answer["refused"]),
        (&json!(2), &json!(1), &json!(3))
    );
    let lines = refused(&show(&stage, &id, ""));
    let lines: Vec<(u64, &str)> = lines.iter().map(|(_, line, reason)| (*line, reason.as_str())).collect();
    assert_eq!(lines, [(3, "properties.amount"), (5, "occurred_at"), (7, "properties")]);
    let (_, events) = stage.api(&stage.shop, Method::GET, "/v1/members/m-1/events", None);
    let properties = json!({ "order_id": "77", "amount": 1200, "items": [{ "product_id": "p" }] });
    assert_eq!(events["events"][0]["properties"], properties);
    let mut event = customer_event::event("e-1", "m-1", now);
    event["type"] = json!("purchase");
    event["properties"] = properties;
    let by_api = customer_event::post(&stage, &[event]);
    assert_eq!((&by_api["repeated"], &by_api["results"][0]["differs"]), (&json!(1), &json!(null)));
    assert_eq!(taken(&stage, &id, 2, &csv)["repeated"], json!(3), "in another part");
    assert_eq!(taken(&stage, &id, 1, &csv), answer);
    assert_eq!((stage.count("events"), stage.count("members")), (2, 2));
    customer_event::days_are_exact(&stage);
}

#[test]
fn nobody_erased_comes_back_by_a_file() {
    let stage = Stage::new(1);
    customer_event::post(&stage, &[customer_event::event("e-1", "m-1", stage.world.now())]);
    assert_eq!(erase(&stage, "m-1"), 204);
    let members = begin(&stage, &json!({ "kind": "members" }));
    let events = begin(&stage, &json!({ "kind": "events" }));
    let lines = ["member_id,a\nm-1,1\nm-2,1\n".to_owned(), {
        let now = stage.world.now().rfc3339();
        format!("id,member_id,type,occurred_at\ne-1,m-1,visited,{now}\ne-2,m-2,visited,{now}\n")
    }];
    for (id, csv) in [&members, &events].into_iter().zip(&lines) {
        let answer = taken(&stage, id, 1, csv);
        assert_eq!(
            (&answer["accepted"], &answer["reasons"]),
            (&json!(1), &json!({ "erased": 1 })),
            "{answer}"
        );
    }
    assert_eq!(stage.count("members"), 1);
    assert_eq!(stage.api(&stage.shop, Method::PUT, "/v1/members/m-1", Some(&json!({}))).0, 200);
    for (id, csv) in [&members, &events].into_iter().zip(&lines) {
        assert_eq!(taken(&stage, id, 2, csv)["refused"], json!(0), "the member is here again");
    }
}

#[test]
fn columns_that_cannot_be_are_refused_with_the_reason() {
    let stage = Stage::new(1);
    for (kind, columns, says) in [
        ("members", json!(["rank"]), "member_id is missing"),
        ("members", json!(["member_id", "a", "a:text"]), "a is there twice"),
        ("members", json!(["member_id", ""]), "1 to 64"),
        ("members", json!(["member_id", "line_user_id"]), "links"),
        ("events", json!(["id", "member_id", "type"]), "occurred_at is missing"),
        ("links", json!(["member_id"]), "columns"),
        ("members", json!((0..101).map(|n| format!("c{n}")).collect::<Vec<_>>()), "100"),
    ] {
        let body = json!({ "kind": kind, "columns": columns });
        let (status, error) = stage.api(&stage.shop, Method::POST, "/v1/imports", Some(&body));
        let description = error["error_description"].as_str().unwrap_or_default();
        let is_said = description.starts_with("columns: ") && description.contains(says);
        assert!(
            status == 400 && (is_said || kind == "members" && columns[0] == "member_id:text"),
            "{columns}: {error}"
        );
        let csv = columns
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect::<Vec<_>>()
            .join(",");
        let id = begin(&stage, &json!({ "kind": if kind == "links" { "members" } else { kind } }));
        if kind != "links" {
            let (status, error) = send(&stage, &id, 1, format!("{csv}\nx,y,z\n"));
            assert_eq!((status, &error["error"]), (400, &json!("invalid_csv")), "{csv}: {error}");
        }
    }
}

#[test]
fn a_part_of_short_lines_fits_into_its_statements_or_says_so() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({ "kind": "members" }));
    let lines: String = (0..29_000).map(|n| format!("m{n:05},{}\n", n % 7)).collect();
    assert_eq!(taken(&stage, &id, 1, &format!("member_id,n\n{lines}"))["accepted"], json!(29_000));
    let (status, error) = send(&stage, &id, 2, format!("member_id,{}\n{}", "a,".repeat(60), "x\n"));
    assert_eq!(status, 400, "{error}");
    let wide = format!("m,{}\n", vec!["1"; 99].join(","));
    let names: Vec<String> = (0..99).map(|n| format!("c{n}")).collect();
    let (status, error) =
        send(&stage, &id, 3, format!("member_id,{}\n{}", names.join(","), wide.repeat(4_900)));
    assert!(
        status == 400 && error["error_description"].as_str().unwrap().contains("100000 cells"),
        "{error}"
    );
}

/// Cells that a property of this form does not take.
fn wrong_cells(form: Form) -> Vec<String> {
    let cells: &[&str] = match form {
        Form::Id | Form::Text => return vec!["x".repeat(1_001)],
        Form::Number => &["x", "1 000", "TRUE", "1,5"],
        Form::Amount => &["x", "-0.01", "￥100", "true"],
        Form::Currency => &["jpy", "YEN!", "392", "円円円"],
        Form::When => &["2026-02-30", "tomorrow", "1767582000", "2026-02-28T25:00:00Z", "2026/02/28"],
        Form::Items => &["p", "1", "p|q"],
    };
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[test]
fn every_cell_that_a_built_in_type_does_not_take_is_refused_and_names_its_column() {
    let stage = Stage::new(1);
    let id = begin(&stage, &json!({ "kind": "events" }));
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let (mut part, mut wanted) = (0, Vec::new());
    for built_in in BUILT_IN {
        for property in built_in.properties {
            part += 1;
            let others = built_in.properties.iter().filter(|other| other.name != property.name);
            let others: Map<String, Value> = others
                .map(|other| (other.name.to_owned(), customer_event::hostile::good(other.form)))
                .collect();
            let others = quoted(&Value::Object(others).to_string());
            let mut csv = format!("id,member_id,type,occurred_at,properties,{}\n", property.name);
            for (at, cell) in wrong_cells(property.form).iter().enumerate() {
                let kind = built_in.name;
                let line =
                    format!("e-{part}-{at},m-1,{kind},2026-01-01T00:00:00Z,{others},{}\n", quoted(cell));
                csv.push_str(&line);
                wanted.push((part, u64::try_from(at).unwrap() + 2, format!("properties.{}", property.name)));
            }
            taken(&stage, &id, usize::try_from(part).unwrap(), &csv);
        }
    }
    let mut told = Vec::new();
    for page in wanted.chunks(100) {
        let after = told.last().map_or(String::new(), |(part, line, _)| format!("&after={part}.{line}"));
        told.extend(refused(&show(&stage, &id, &format!("?limit={}{after}", page.len()))));
    }
    assert_eq!(told, wanted);
    assert_eq!((stage.count("events"), stage.count("members")), (0, 0));
    println!("{} malformed cells of imports", wanted.len());
}
