//! Audiences: lists of users that narrowcasts go to (Messaging API reference, "Managing Audience").
//!
//! In: bodies with ids, or with the request whose readers are meant. Out: LINE's answers. A job takes a minute; then its users
//! are in. Not here: upload by file, shared audiences, and the kinds that are made elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Simulator;
use crate::calls::ViolationKind;
use crate::id::{ChannelId, UserId, is_user_id};
use crate::messaging::refusal::{Problem, Refusal};
use crate::messaging::route::Endpoint;
use crate::messaging::{Answered, empty_object, json_body};
use crate::reply;
use crate::request::Request;

const MAX_IDS: usize = 10_000;
const MAX_AUDIENCES: usize = 1_000;
const MAX_JOBS_AT_ONCE: usize = 10;
/// Clicks and impressions make an audience of at least so many.
const LEAST: usize = 50;
/// A job waits, works, and is finished. LINE says "may take hours".
const WORKING_AFTER_MS: i64 = 10_000;
const FINISHED_AFTER_MS: i64 = 60_000;
const KEPT_MS: i64 = 180 * 86_400_000;

/// How an audience came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum AudienceKind {
    Upload,
    Click,
    Imp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    id: u64,
    description: String,
    created_at: i64,
    users: BTreeSet<UserId>,
}

impl Job {
    fn status(&self, now: i64) -> &'static str {
        match now - self.created_at {
            ..WORKING_AFTER_MS => "QUEUED",
            WORKING_AFTER_MS..FINISHED_AFTER_MS => "WORKING",
            _ => "FINISHED",
        }
    }

    fn is_finished(&self, now: i64) -> bool {
        now - self.created_at >= FINISHED_AFTER_MS
    }
}

/// One audience.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Audience {
    pub(crate) kind: AudienceKind,
    channel: ChannelId,
    description: String,
    created_at: i64,
    jobs: Vec<Job>,
    request_id: Option<String>,
    click_url: Option<String>,
}

impl Audience {
    /// `IN_PROGRESS` until a job is finished; with too few users for ever, or in vain.
    pub(crate) fn status(&self, now: i64) -> &'static str {
        let is_done = self.jobs.iter().any(|job| job.is_finished(now));
        match (self.kind, self.users(now).len()) {
            _ if now - self.created_at >= KEPT_MS => "EXPIRED",
            _ if !is_done => "IN_PROGRESS",
            (AudienceKind::Upload, 0) => "FAILED",
            (AudienceKind::Click | AudienceKind::Imp, ..LEAST) => "IN_PROGRESS",
            _ => "READY",
        }
    }

    /// Whether a user is in, their job finished.
    pub(crate) fn has(&self, user: &UserId, now: i64) -> bool {
        self.jobs.iter().any(|job| job.is_finished(now) && job.users.contains(user))
    }

    /// Whose jobs are finished.
    pub(crate) fn users(&self, now: i64) -> BTreeSet<&UserId> {
        self.jobs.iter().filter(|job| job.is_finished(now)).flat_map(|job| &job.users).collect()
    }

    fn json(&self, id: u64, now: i64) -> Value {
        let status = self.status(now);
        let mut group = json!({
            "audienceGroupId": id, "createRoute": "MESSAGING_API", "type": self.kind, "description": self.description,
            "status": status, "audienceCount": self.users(now).len(), "created": self.created_at / 1_000,
            "permission": "READ_WRITE", "isIfaAudience": false, "expireTimestamp": (self.created_at + KEPT_MS) / 1_000,
        });
        for (name, value) in [("requestId", &self.request_id), ("clickUrl", &self.click_url)] {
            if let (Some(value), Some(fields)) = (value, group.as_object_mut()) {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        if let (true, Some(fields)) = (status == "FAILED", group.as_object_mut()) {
            fields.insert("failedType".to_owned(), "AUDIENCE_GROUP_AUDIENCE_INSUFFICIENT".into());
        }
        group
    }
}

/// All channels' audiences.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Audiences {
    last_id: u64,
    last_job: u64,
    all: BTreeMap<u64, Audience>,
}

impl Audiences {
    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }

    /// An audience of this channel.
    pub(crate) fn of(&self, channel: &ChannelId, id: u64) -> Option<&Audience> {
        self.all.get(&id).filter(|audience| audience.channel == *channel)
    }

    fn of_mut(&mut self, channel: &ChannelId, id: u64) -> Option<&mut Audience> {
        self.all.get_mut(&id).filter(|audience| audience.channel == *channel)
    }
}

impl Simulator {
    pub(super) fn audience(
        &mut self,
        request: &Request,
        endpoint: Endpoint,
        parameter: &str,
        channel: &ChannelId,
    ) -> Answered {
        let answered = match endpoint {
            Endpoint::AudienceUpload => {
                self.create_audience(&json_body(request)?, channel, AudienceKind::Upload)
            }
            Endpoint::AudienceClick => {
                self.create_audience(&json_body(request)?, channel, AudienceKind::Click)
            }
            Endpoint::AudienceImp => self.create_audience(&json_body(request)?, channel, AudienceKind::Imp),
            Endpoint::AudienceAdd => self.add_to_audience(&json_body(request)?, channel),
            Endpoint::AudienceGet => self.show_audience(parameter, channel),
            Endpoint::AudienceDelete => self.delete_audience(parameter, channel),
            Endpoint::AudienceRename => self.rename_audience(&json_body(request)?, parameter, channel),
            _ => self.list_audiences(request, channel),
        };
        answered.inspect_err(|refusal| {
            self.violate(ViolationKind::InvalidAudience, format!("{refusal:?}"));
        })
    }

    fn create_audience(&mut self, body: &Value, channel: &ChannelId, kind: AudienceKind) -> Answered {
        let description = described(body)?;
        let own = self.memory.bots.audiences.all.values().filter(|audience| audience.channel == *channel);
        if own.count() >= MAX_AUDIENCES {
            return Err(refused("AUDIENCE_GROUP_COUNT_MAX_OVER"));
        }
        let users = match kind {
            AudienceKind::Upload => self.uploaded(body)?,
            AudienceKind::Click | AudienceKind::Imp => Some(self.interested(body, channel, kind)?),
        };
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let audience = Audience {
            kind,
            channel: channel.clone(),
            description,
            created_at: self.now,
            jobs: users.into_iter().map(|users| self.new_job(body, users)).collect(),
            request_id: text("requestId"),
            click_url: text("clickUrl"),
        };
        let audiences = &mut self.memory.bots.audiences;
        audiences.last_id += 1;
        // Of the length that LINE's have.
        let id = 1_000_000_000_000 + audiences.last_id;
        let mut answer = audience.json(id, self.now);
        if let Some(fields) = answer.as_object_mut() {
            fields.remove("status");
            fields.remove("audienceCount");
        }
        self.memory.bots.audiences.all.insert(id, audience);
        Ok(reply::json(StatusCode::ACCEPTED, &answer))
    }

    fn add_to_audience(&mut self, body: &Value, channel: &ChannelId) -> Answered {
        let id = body.get("audienceGroupId").and_then(Value::as_u64).unwrap_or_default();
        let now = self.now;
        let audience = self.memory.bots.audiences.of(channel, id).ok_or_else(not_found)?;
        if audience.kind != AudienceKind::Upload {
            return Err(refused("AUDIENCE_GROUP_NOT_FOUND"));
        }
        if audience.status(now) == "EXPIRED" {
            return Err(refused("AUDIENCE_GROUP_CAN_NOT_UPLOAD_STATUS_EXPIRED"));
        }
        if audience.jobs.iter().filter(|job| !job.is_finished(now)).count() >= MAX_JOBS_AT_ONCE {
            return Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many concurrent operations on the audience",
            ));
        }
        let users =
            self.uploaded(body)?.ok_or_else(|| refused("UPLOAD_AUDIENCE_GROUP_NO_VALID_AUDIENCE_IDS"))?;
        let job = self.new_job(body, users);
        if let Some(audience) = self.memory.bots.audiences.of_mut(channel, id) {
            audience.jobs.push(job);
        }
        Ok(reply::json(StatusCode::ACCEPTED, &json!({})))
    }

    fn new_job(&mut self, body: &Value, users: BTreeSet<UserId>) -> Job {
        self.memory.bots.audiences.last_job += 1;
        let description =
            body.get("uploadDescription").and_then(Value::as_str).unwrap_or_default().to_owned();
        Job { id: self.memory.bots.audiences.last_job, description, created_at: self.now, users }
    }

    /// The ids of a body, if it has any; one of another form refuses them all, and of the others the unknown are left out.
    fn uploaded(&self, body: &Value) -> Result<Option<BTreeSet<UserId>>, Refusal> {
        let ids = match body.get("audiences") {
            None | Some(Value::Null) => return Ok(None),
            Some(ids) => ids.as_array().ok_or_else(|| Refusal::property("'audiences'"))?,
        };
        if ids.is_empty() {
            return Ok(None);
        }
        if ids.len() > MAX_IDS {
            return Err(refused("UPLOAD_AUDIENCE_GROUP_TOO_MANY_AUDIENCE_IDS"));
        }
        let id = |entry: &Value| {
            entry.get("id").and_then(Value::as_str).filter(|id| is_user_id(id)).map(str::to_owned)
        };
        let ids: Option<Vec<String>> = ids.iter().map(id).collect();
        let ids = ids.ok_or_else(|| refused("UPLOAD_AUDIENCE_GROUP_INVALID_AUDIENCE_ID_FORMAT"))?;
        let known = ids.iter().filter_map(|id| self.memory.people.get(id));
        Ok(Some(known.map(|user| user.id.clone()).collect()))
    }

    /// Who opened what a request sent, or tapped in it.
    fn interested(
        &self,
        body: &Value,
        channel: &ChannelId,
        kind: AudienceKind,
    ) -> Result<BTreeSet<UserId>, Refusal> {
        let request_id = body.get("requestId").and_then(Value::as_str).unwrap_or_default();
        let interest = self.memory.bots.statistics.interest;
        let percent = if kind == AudienceKind::Click { interest.clicks } else { interest.opens };
        let mut is_known = false;
        let mut users = BTreeSet::new();
        for user in self.users() {
            let got = user.chat.iter().any(|message| {
                *message.request_id == *request_id
                    && message.channel_id == *channel
                    && matches!(&*message.method, "broadcast" | "narrowcast")
            });
            is_known |= got;
            if got && super::recipient::byte(&user.id, 15) % 100 < percent {
                users.insert(user.id.clone());
            }
        }
        if is_known { Ok(users) } else { Err(refused("REQUEST_NOT_FOUND")) }
    }

    fn show_audience(&self, id: &str, channel: &ChannelId) -> Answered {
        let id = id.parse().unwrap_or_default();
        let audience = self.memory.bots.audiences.of(channel, id).ok_or_else(not_found)?;
        let jobs: Vec<Value> = audience.jobs.iter().rev().take(50).map(|job| {
            json!({
                "audienceGroupJobId": job.id, "audienceGroupId": id, "description": job.description, "type": "DIFF_ADD",
                "jobStatus": job.status(self.now), "failedType": null,
                "audienceCount": if job.is_finished(self.now) { job.users.len() } else { 0 }, "created": job.created_at / 1_000,
            })
        }).collect();
        Ok(reply::ok(&json!({ "audienceGroup": audience.json(id, self.now), "jobs": jobs })))
    }

    fn delete_audience(&mut self, id: &str, channel: &ChannelId) -> Answered {
        let id = id.parse().unwrap_or_default();
        self.memory.bots.audiences.of(channel, id).ok_or_else(not_found)?;
        self.memory.bots.audiences.all.remove(&id);
        Ok(reply::json(StatusCode::ACCEPTED, &json!({})))
    }

    fn rename_audience(&mut self, body: &Value, id: &str, channel: &ChannelId) -> Answered {
        let description = described(body)?;
        let audience = self.memory.bots.audiences.of_mut(channel, id.parse().unwrap_or_default());
        audience.ok_or_else(not_found)?.description = description;
        Ok(empty_object())
    }

    fn list_audiences(&self, request: &Request, channel: &ChannelId) -> Answered {
        let number = |name: &str, otherwise: Option<usize>| {
            let text = request.query.get(name);
            text.map_or(otherwise, |text| text.parse().ok()).filter(|number| *number > 0)
        };
        let page = number("page", None).ok_or_else(|| Refusal::bad("page is required"))?;
        let size = number("size", Some(20)).filter(|size| *size <= 40).ok_or_else(|| refused("TOO_HIGH"))?;
        let lower = |text: &str| text.to_lowercase();
        let all: Vec<Value> = self
            .memory
            .bots
            .audiences
            .all
            .iter()
            .rev()
            .filter(|(_, audience)| audience.channel == *channel)
            .filter(|(_, audience)| {
                request.query.get("status").is_none_or(|status| status == audience.status(self.now))
            })
            .filter(|(_, audience)| {
                let part = request.query.get("description");
                part.is_none_or(|part| lower(&audience.description).contains(&lower(part)))
            })
            .map(|(id, audience)| audience.json(*id, self.now))
            .collect();
        let total = all.len();
        let shown: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
        Ok(reply::ok(&json!({
            "audienceGroups": shown, "hasNextPage": page * size < total, "totalCount": total,
            "readWriteAudienceGroupTotalCount": total, "page": page, "size": size,
        })))
    }
}

fn described(body: &Value) -> Result<String, Refusal> {
    match body.get("description").and_then(Value::as_str).unwrap_or_default() {
        "" => Err(refused("AUDIENCE_GROUP_NAME_EMPTY")),
        text if text.chars().count() > 120 => Err(refused("AUDIENCE_GROUP_NAME_SIZE_OVER")),
        text if text.chars().any(char::is_control) => Err(refused("AUDIENCE_GROUP_NAME_WRONG")),
        text => Ok(text.to_owned()),
    }
}

fn not_found() -> Refusal {
    refused("AUDIENCE_GROUP_NOT_FOUND")
}

/// 400 with LINE's word for it in the details.
fn refused(word: &str) -> Refusal {
    let problem = Problem { property: String::new(), message: word.to_owned() };
    Refusal::worded("The request body has 1 error(s)", vec![problem])
}
