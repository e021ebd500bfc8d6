//! Audiences and narrowcasts: who is meant, from how many on, what it takes of the quota, what became of it.

use line_simulator::UserId;
use serde_json::{Value, json};

use crate::{Line, body_of, config, header, text};

const NARROWCAST: &str = "/v2/bot/message/narrowcast";
const UPLOAD: &str = "/v2/bot/audienceGroup/upload";
const KEY: &str = "123e4567-e89b-12d3-a456-426655440001";

fn ids(users: &[UserId]) -> Value {
    users.iter().map(|user| json!({ "id": user })).collect()
}

impl Line {
    fn wait(&mut self, ms: i64) {
        self.now += ms;
        self.renew();
    }

    fn crowd(&mut self, count: usize) -> Vec<UserId> {
        (0..count).map(|number| self.friend(&number.to_string())).collect()
    }

    fn uploaded(&mut self, users: &[UserId]) -> u64 {
        let reply = self.call(UPLOAD, &json!({ "description": "秋", "audiences": ids(users) }));
        assert_eq!(reply.status(), 202, "{}", body_of(&reply));
        body_of(&reply)["audienceGroupId"].as_u64().unwrap()
    }

    fn group(&mut self, id: u64) -> Value {
        body_of(&self.read(&format!("/v2/bot/audienceGroup/{id}")))
    }

    /// The request id of an accepted narrowcast.
    fn narrowcast(&mut self, more: &Value) -> String {
        let mut body = json!({ "messages": text("a") });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = self.call(NARROWCAST, &body);
        assert_eq!((reply.status().as_u16(), body_of(&reply)), (202, json!({})));
        header(&reply, "x-line-request-id").to_owned()
    }

    fn progress(&mut self, id: &str) -> Value {
        body_of(&self.read(&format!("/v2/bot/message/progress/narrowcast?requestId={id}")))
    }

    fn refusal(&mut self, path: &str, body: &Value) -> (u16, String) {
        let reply = self.call(path, body);
        let body = body_of(&reply);
        let word = body["details"][0]["message"].as_str().or(body["message"].as_str());
        (reply.status().as_u16(), word.unwrap_or_default().to_owned())
    }

    fn got(&self, users: &[UserId]) -> usize {
        users.iter().map(|user| self.sim.chat(user).len()).sum()
    }
}

#[test]
fn an_uploaded_audience_is_ready_when_its_job_is_finished() {
    let mut line = Line::new();
    let users = line.crowd(3);
    let id = line.uploaded(&users[..2]);
    let group = line.group(id);
    assert_eq!(
        (&group["audienceGroup"]["status"], &group["jobs"][0]["jobStatus"]),
        (&json!("IN_PROGRESS"), &json!("QUEUED"))
    );
    line.wait(10_000);
    assert_eq!(line.group(id)["jobs"][0]["jobStatus"], "WORKING");
    line.wait(50_000);
    let group = line.group(id);
    assert_eq!(
        (&group["audienceGroup"]["status"], &group["audienceGroup"]["audienceCount"]),
        (&json!("READY"), &json!(2))
    );
    let more = json!({ "audienceGroupId": id, "audiences": ids(&users[1..]) });
    assert_eq!(line.call_by("PUT", UPLOAD, &more).status(), 202);
    let group = line.group(id);
    assert_eq!(
        (&group["audienceGroup"]["status"], &group["jobs"][0]["jobStatus"]),
        (&json!("READY"), &json!("QUEUED"))
    );
    line.wait(60_000);
    assert_eq!(line.group(id)["audienceGroup"]["audienceCount"], 3);
    line.wait(180 * 86_400_000);
    assert_eq!(line.group(id)["audienceGroup"]["status"], "EXPIRED");
    assert!(line.sim.violations().is_empty());
}

#[test]
fn an_empty_audience_stays_in_progress_and_one_of_strangers_fails() {
    let mut line = Line::new();
    let empty = line.call(UPLOAD, &json!({ "description": "空" }));
    let empty = body_of(&empty)["audienceGroupId"].as_u64().unwrap();
    let strangers =
        json!({ "description": "誰", "audiences": [{ "id": "Uffffffffffffffffffffffffffffffff" }] });
    let strangers = body_of(&line.call(UPLOAD, &strangers))["audienceGroupId"].as_u64().unwrap();
    line.wait(3_600_000);
    assert_eq!(line.group(empty)["audienceGroup"]["status"], "IN_PROGRESS");
    let group = line.group(strangers)["audienceGroup"].clone();
    assert_eq!(
        (&group["status"], &group["failedType"]),
        (&json!("FAILED"), &json!("AUDIENCE_GROUP_AUDIENCE_INSUFFICIENT"))
    );
}

#[test]
fn what_is_wrong_with_an_audience_has_lines_word_for_it() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let upload =
        |description: &str, audiences: Value| json!({ "description": description, "audiences": audiences });
    let many: Vec<UserId> = vec![user.clone(); 10_001];
    for (body, word) in [
        (upload("", json!([])), "AUDIENCE_GROUP_NAME_EMPTY"),
        (upload(&"あ".repeat(121), json!([])), "AUDIENCE_GROUP_NAME_SIZE_OVER"),
        (upload("a\nb", json!([])), "AUDIENCE_GROUP_NAME_WRONG"),
        (
            upload("a", json!([{ "id": user }, { "id": "U1" }])),
            "UPLOAD_AUDIENCE_GROUP_INVALID_AUDIENCE_ID_FORMAT",
        ),
        (upload("a", ids(&many)), "UPLOAD_AUDIENCE_GROUP_TOO_MANY_AUDIENCE_IDS"),
    ] {
        assert_eq!(line.refusal(UPLOAD, &body), (400, word.to_owned()));
    }
    assert_eq!(
        line.refusal("/v2/bot/audienceGroup/click", &json!({ "description": "a", "requestId": "x" })).1,
        "REQUEST_NOT_FOUND"
    );
    assert_eq!(
        body_of(&line.read("/v2/bot/audienceGroup/5"))["details"][0]["message"],
        "AUDIENCE_GROUP_NOT_FOUND"
    );
    let id = line.uploaded(std::slice::from_ref(&user));
    let more = json!({ "audienceGroupId": id, "audiences": ids(&[user]) });
    assert!((0..9).all(|_| line.call_by("PUT", UPLOAD, &more).status() == 202));
    assert_eq!(line.call_by("PUT", UPLOAD, &more).status(), 429, "ten jobs at a time");
    assert!(line.kinds().iter().all(|kind| kind == "invalid-audience"));
}

#[test]
fn audiences_are_listed_renamed_and_deleted() {
    let mut line = Line::new();
    let user = line.friend("花子");
    let made: Vec<u64> = (0..3).map(|_| line.uploaded(std::slice::from_ref(&user))).collect();
    let list = body_of(&line.read("/v2/bot/audienceGroup/list?page=1&size=2"));
    assert_eq!(
        (list["audienceGroups"].as_array().unwrap().len(), &list["hasNextPage"], &list["totalCount"]),
        (2, &json!(true), &json!(3))
    );
    let path = format!("/v2/bot/audienceGroup/{}", made[0]);
    assert_eq!(
        line.call_by("PUT", &format!("{path}/updateDescription"), &json!({ "description": "冬" })).status(),
        200
    );
    assert_eq!(line.group(made[0])["audienceGroup"]["description"], "冬");
    assert_eq!(line.call_by("DELETE", &path, &json!({})).status(), 202);
    assert_eq!(line.read(&path).status(), 400);
    assert_eq!(line.read("/v2/bot/audienceGroup/list?page=1&size=41").status(), 400);
}

#[test]
fn a_narrowcast_to_an_uploaded_audience_reaches_its_friends_however_few() {
    let mut line = Line::new();
    let users = line.crowd(5);
    line.sim.unfollow(line.now, &users[0]).unwrap();
    let id = line.uploaded(&users[..3]);
    let to = json!({ "recipient": { "type": "audience", "audienceGroupId": id } });
    let early = json!({ "messages": text("a"), "recipient": to["recipient"] });
    assert_eq!(line.refusal(NARROWCAST, &early), (400, format!("Invalid audience group id: {id}")));
    line.wait(60_000);
    let request = line.narrowcast(&to);
    assert_eq!(
        line.progress(&request),
        json!({ "phase": "waiting", "acceptedTime": "2026-01-01T00:01:00.000Z" })
    );
    line.wait(30_000);
    assert_eq!(line.progress(&request)["phase"], "sending");
    line.wait(30_000);
    let over = line.progress(&request);
    assert_eq!(
        (&over["phase"], &over["successCount"], &over["targetCount"]),
        (&json!("succeeded"), &json!(2), &json!(2))
    );
    assert_eq!((line.got(&users[1..3]), line.got(&users)), (2, 2));
    let again = json!({ "recipient": { "type": "operator", "and": [
        { "type": "redelivery", "requestId": request },
        { "type": "operator", "not": { "type": "audience", "audienceGroupId": id } },
    ] } });
    let nobody = line.narrowcast(&again);
    line.wait(60_000);
    assert_eq!(line.progress(&nobody)["successCount"], 0);
    line.wait(14 * 86_400_000);
    assert_eq!(line.read(&format!("/v2/bot/message/progress/narrowcast?requestId={request}")).status(), 404);
    assert!(line.sim.violations().is_empty());
}

#[test]
fn with_attributes_a_reach_of_100_is_needed_at_once_and_50_recipients_in_the_end() {
    let mut line = Line::new();
    line.crowd(99);
    let female = json!({ "filter": { "demographic": { "type": "gender", "oneOf": ["female"] } } });
    let body = json!({ "messages": text("a"), "filter": female["filter"] });
    assert_eq!(
        line.refusal(NARROWCAST, &body),
        (403, "Your account does not have enough friends".to_owned())
    );
    line.crowd(300);
    let half = line.narrowcast(&female);
    let few =
        line.narrowcast(&json!({ "filter": { "demographic": { "type": "area", "oneOf": ["jp_13"] } } }));
    let span = json!({ "type": "operator", "and": [
        { "type": "age", "gte": "age_20", "lt": "age_50" },
        { "type": "operator", "not": { "type": "appType", "oneOf": ["ios"] } },
        { "type": "subscriptionPeriod", "gte": "day_7" },
    ] });
    let third = line.narrowcast(&json!({ "filter": { "demographic": span } }));
    line.wait(60_000);
    let count = line.progress(&half)["successCount"].as_u64().unwrap();
    assert!((120..250).contains(&count), "{count}");
    let failed = line.progress(&few);
    assert_eq!((&failed["phase"], &failed["errorCode"]), (&json!("failed"), &json!(2)));
    let fewer = line.progress(&third);
    assert!(fewer["successCount"].as_u64().is_some_and(|fewer| fewer < count), "{fewer}");
}

#[test]
fn of_several_audiences_a_small_one_fails_the_whole() {
    let mut line = Line::new();
    let users = line.crowd(200);
    let sent = line.call("/v2/bot/message/broadcast", &json!({ "messages": text("a") }));
    let request_id = header(&sent, "x-line-request-id").to_owned();
    let clicked = json!({ "description": "押した", "requestId": request_id });
    let imp = body_of(&line.call("/v2/bot/audienceGroup/imp", &clicked))["audienceGroupId"].as_u64().unwrap();
    let click =
        body_of(&line.call("/v2/bot/audienceGroup/click", &clicked))["audienceGroupId"].as_u64().unwrap();
    line.wait(60_000);
    assert_eq!(line.group(imp)["audienceGroup"]["status"], "READY");
    assert_eq!(
        line.group(click)["audienceGroup"]["status"],
        "IN_PROGRESS",
        "a tenth of 200 is too few for ever"
    );
    let own = line.uploaded(&users[..1]);
    line.wait(60_000);
    let both = json!({ "recipient": { "type": "operator", "or": [
        { "type": "audience", "audienceGroupId": imp }, { "type": "audience", "audienceGroupId": own },
    ] } });
    let request = line.narrowcast(&both);
    line.wait(60_000);
    assert_eq!(line.progress(&request)["phase"], "succeeded", "a list of one's own is exempt");
}

#[test]
fn the_whole_reach_is_reserved_until_it_is_known_how_many_there_are_unless_a_limit_is_set() {
    let mut line = Line::with(config(false, Some(150)));
    let users = line.crowd(100);
    let id = line.uploaded(&users[..60]);
    line.wait(60_000);
    let recipient = json!({ "type": "audience", "audienceGroupId": id });
    let request = line.narrowcast(&json!({ "recipient": recipient }));
    let push = json!({ "to": users[..60], "messages": text("a") });
    assert_eq!(line.refusal("/v2/bot/message/multicast", &push).0, 429, "100 of 150 are reserved");
    assert_eq!(body_of(&line.read("/v2/bot/message/quota/consumption"))["totalUsage"], 0);
    line.wait(60_000);
    assert_eq!(line.progress(&request)["successCount"], 60);
    assert_eq!(line.call("/v2/bot/message/multicast", &push).status(), 200);
    let whole = json!({ "messages": text("a"), "recipient": recipient });
    assert_eq!(line.refusal(NARROWCAST, &whole), (429, "You have reached your monthly limit.".to_owned()));
    let limited = line.narrowcast(&json!({ "recipient": recipient, "limit": { "max": 10 } }));
    let rest = line.narrowcast(&json!({ "recipient": recipient, "limit": { "upToRemainingQuota": true } }));
    let none = line.narrowcast(&json!({ "recipient": recipient, "limit": { "upToRemainingQuota": true, "forbidPartialDelivery": true } }));
    line.wait(60_000);
    assert_eq!(line.progress(&limited)["successCount"], 10);
    assert_eq!(line.progress(&rest)["successCount"], 20);
    assert_eq!(line.progress(&none)["errorCode"], 5);
    assert_eq!(body_of(&line.read("/v2/bot/message/quota/consumption"))["totalUsage"], 150);
}

#[test]
fn a_retry_key_makes_a_narrowcast_once() {
    let mut line = Line::new();
    let users = line.crowd(60);
    let body = json!({ "messages": text("a") });
    let first = line.call_with_key(NARROWCAST, &body, KEY);
    let again = line.call_with_key(NARROWCAST, &body, KEY);
    assert_eq!((first.status().as_u16(), again.status().as_u16()), (202, 409));
    assert_eq!(header(&again, "x-line-accepted-request-id"), header(&first, "x-line-request-id"));
    line.wait(60_000);
    line.read("/v2/bot/info");
    assert_eq!(line.got(&users), 60);
}

#[test]
fn malformed_recipients_filters_and_limits_are_400() {
    let mut line = Line::new();
    let users = line.crowd(100);
    let id = line.uploaded(&users);
    line.wait(60_000);
    let audience = json!({ "type": "audience", "audienceGroupId": id });
    let many: Vec<Value> = vec![audience.clone(); 11];
    for recipient in [
        json!({}),
        json!({ "type": "audience" }),
        json!({ "type": "audience", "audienceGroupId": 1 }),
        json!({ "type": "redelivery", "requestId": "x" }),
        json!({ "type": "operator" }),
        json!({ "type": "operator", "and": [] }),
        json!({ "type": "operator", "and": [audience], "or": [audience] }),
        json!({ "type": "operator", "or": many }),
        json!({ "type": "operator", "not": [audience] }),
    ] {
        assert_eq!(
            line.refusal(NARROWCAST, &json!({ "messages": text("a"), "recipient": recipient })).0,
            400,
            "{recipient}"
        );
    }
    for filter in [
        json!({}),
        json!({ "type": "gender", "oneOf": [] }),
        json!({ "type": "gender", "oneOf": ["other"] }),
        json!({ "type": "area", "oneOf": ["jp_48"] }),
        json!({ "type": "age" }),
        json!({ "type": "age", "gte": "age_17" }),
        json!({ "type": "age", "gte": "age_40", "lt": "age_20" }),
        json!({ "type": "subscriptionPeriod", "lt": "day_8" }),
    ] {
        let body = json!({ "messages": text("a"), "filter": { "demographic": filter } });
        assert_eq!(line.refusal(NARROWCAST, &body).0, 400, "{filter}");
    }
    for limit in [
        json!({ "max": 0 }),
        json!({ "max": -1 }),
        json!({ "max": "1" }),
        json!({ "forbidPartialDelivery": true }),
    ] {
        assert_eq!(
            line.refusal(NARROWCAST, &json!({ "messages": text("a"), "limit": limit })).0,
            400,
            "{limit}"
        );
    }
    assert_eq!(line.refusal(NARROWCAST, &json!({ "messages": text("") })).0, 400);
}
