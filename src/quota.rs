//! What may still be sent this month: LINE's quota and the shop's budget, less what was used and what is reserved.
//!
//! Months are those of Japan, where LINE's begin. LINE's figure of what was used is approximate, and counts what people send
//! by hand; ours (`usage.accepted`) is exact, and counts what we sent. So used is LINE's figure of when it was asked and what
//! we sent since, or ours where that is more. A send reserves its messages before its first call; what it does not need is
//! free again once it is settled.

use futures_util::future::join;
use serde::Deserialize;

use crate::{
    channel,
    config::Account,
    id::SendId,
    line::messaging,
    platform::{Context, Outcome, Platform, PlatformError},
    store::{Statement, Value},
    time::{UnixMillis, japanese_month},
    web::Answer,
};

/// What was used, of `usage u`.
const USED: &str = "max(u.accepted, u.line_used + u.accepted - u.accepted_then)";

/// What sends have reserved of the month of `usage u`.
const RESERVED: &str = "(SELECT coalesce(sum(o.granted - o.settled), 0) FROM sends o INDEXED BY sends_active \
    WHERE o.account = u.account AND o.number > 0 AND o.month = u.month AND o.state IN ('expanding', 'sending', 'cancelling'))";

/// How things stand in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// LINE's quota; none where there is no limit.
    pub quota: Option<i64>,
    /// What was used of it.
    pub used: i64,
    /// What running sends have reserved.
    pub reserved: i64,
}

impl Standing {
    /// Messages that may still be sent; none where there is no limit.
    #[must_use]
    pub fn left(&self) -> Option<i64> {
        self.quota.map(|quota| (quota - self.used - self.reserved).max(0))
    }
}

/// Asks LINE, and says how things stand.
pub async fn standing<P: Platform>(cx: Context<'_, P>, account: &Account) -> Result<Standing, PlatformError> {
    let asked = Asked::of(cx, account).await?;
    let read = Statement::compiled(format!(
        "SELECT u.quota, {USED} AS used, {RESERVED} AS reserved FROM usage u WHERE u.account = ?1 AND u.month = ?2"
    ))
    .bind(&account.id)
    .bind(asked.month);
    let outcomes = cx.platform.batch(&account.database, vec![asked.note(account), read]).await?;
    let standing: Option<Standing> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
    standing.ok_or_else(|| PlatformError::Database("the month's usage was not stored".to_owned()))
}

/// What came of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The send has it.
    Yes,
    /// There is not enough: the send is paused, and says why. Or it was ended meanwhile.
    No,
}

/// Reserves for a send so many messages in all, those that are settled already among them, or as many as `count` counts if
/// that is more: (1) LINE is asked; (2) in one batch its answer is noted, the reservation made if it fits beside those of
/// others (a job that was long on its way takes back none of a later one's), else the send paused: `budget` its own, `quota`
/// LINE's, `monthly_budget` the account's.
pub async fn reserve<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    send: &SendId,
    messages: i64,
    count: Option<Statement>,
) -> Result<Reserved, PlatformError> {
    // (1)
    let (asked, counted) = Asked::beside(cx, account, count).await?;
    let messages = messages.max(counted);
    // (2)
    let bound: [Value; 5] =
        [(&account.id).into(), asked.month.into(), send.into(), messages.into(), budget(account).into()];
    let with = |sql: String| bound.iter().cloned().fold(Statement::compiled(sql), Statement::bind);
    let open = "account = ?1 AND id = ?3 AND state IN ('expanding', 'sending') AND paused IS NULL";
    // Beyond what is reserved: of this month the send itself is among the reservations.
    let needed = "?4 - iif(sends.month IS ?2, sends.granted, sends.settled)";
    let within_quota = format!("(u.quota IS NULL OR {USED} + {RESERVED} + {needed} <= u.quota)");
    let within_budget = format!("(?5 IS NULL OR u.accepted + {RESERVED} + {needed} <= ?5)");
    let usage = "SELECT 1 FROM usage u WHERE u.account = ?1 AND u.month = ?2";
    let grant = with(format!(
        "UPDATE sends SET granted = CASE WHEN month = ?2 THEN max(granted, ?4) ELSE ?4 END, month = ?2 WHERE {open} AND (budget IS NULL OR ?4 <= budget) \
           AND EXISTS ({usage} AND {within_quota} AND {within_budget})"
    ));
    let pause = with(format!(
        "UPDATE sends SET month = NULL, due_at = NULL, paused = CASE WHEN budget < ?4 THEN 'budget' \
           WHEN EXISTS ({usage} AND {within_quota}) AND ?5 IS NOT NULL THEN 'monthly_budget' ELSE 'quota' END \
         WHERE {open} AND (month IS NOT ?2 OR granted < ?4)"
    ));
    let outcomes = cx.platform.batch(&account.database, vec![asked.note(account), grant, pause]).await?;
    let granted = outcomes.get(1).is_some_and(|outcome| outcome.changes > 0);
    Ok(if granted { Reserved::Yes } else { Reserved::No })
}

/// The messages of a month that the account's budget pays for; none where there is none.
fn budget(account: &Account) -> Option<i64> {
    account.sending.monthly_budget.and_then(|yen| account.sending.messages_for(yen))
}

/// Counts messages as sent before they are, if the month's quota and the account's budget leave so many; those that LINE does
/// not take are given back by [`give_back`]. `mark` writes down what they are counted for and ends with a condition: both are
/// done, or neither.
pub async fn charge<P: Platform>(
    cx: Context<'_, P>,
    account: &Account,
    messages: i64,
    mark: Option<Statement>,
) -> Result<bool, PlatformError> {
    let asked = Asked::of(cx, account).await?;
    let count = Statement::new("UPDATE usage SET accepted = accepted + ?3 WHERE account = ?1 AND month = ?2");
    let count = count.bind(&account.id).bind(asked.month).bind(messages);
    let mut statements = vec![asked.note(account)];
    match mark {
        Some(mark) => statements.extend([asked.if_left(mark, account, messages), count.if_changed()]),
        None => statements.push(asked.if_left(count, account, messages)),
    }
    let outcomes = cx.platform.batch(&account.database, statements).await?;
    Ok(outcomes.get(1).is_some_and(|outcome| outcome.changes > 0))
}

/// Messages that were counted at a time, and not sent.
#[must_use]
pub fn give_back(account: &Account, messages: i64, charged_at: UnixMillis) -> Statement {
    Statement::new("UPDATE usage SET accepted = max(0, accepted - ?3) WHERE account = ?1 AND month = ?2")
        .bind(&account.id)
        .bind(japanese_month(charged_at))
        .bind(messages)
}

/// What LINE said of a month, and what stood in our ledger before it was asked.
struct Asked {
    month: i64,
    at: UnixMillis,
    accepted_then: i64,
    quota: Option<i64>,
    used: i64,
}

#[derive(Deserialize)]
struct Quota {
    #[serde(rename = "type")]
    kind: String,
    value: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consumption {
    total_usage: i64,
}

impl Asked {
    async fn of<P: Platform>(cx: Context<'_, P>, account: &Account) -> Result<Self, PlatformError> {
        Self::beside(cx, account, None).await.map(|(asked, _)| asked)
    }

    /// Our count is read before LINE is asked: what is accepted between counts twice rather than not at all. Beside it, what
    /// another statement counts as `count`; 0 without one.
    async fn beside<P: Platform>(
        cx: Context<'_, P>,
        account: &Account,
        count: Option<Statement>,
    ) -> Result<(Self, i64), PlatformError> {
        #[derive(Deserialize)]
        struct Ours {
            accepted: i64,
        }
        #[derive(Deserialize)]
        struct Count {
            count: i64,
        }
        let now = cx.platform.now();
        let month = japanese_month(now);
        let ours = Statement::new("SELECT accepted FROM usage WHERE account = ?1 AND month = ?2");
        let ours = ours.bind(&account.id).bind(month);
        let statements = [Some(ours), count].into_iter().flatten().collect();
        let outcomes = cx.platform.batch(&account.database, statements).await?;
        let ours: Option<Ours> = outcomes.first().map(Outcome::first).transpose()?.flatten();
        let count: Option<Count> = outcomes.get(1).map(Outcome::first).transpose()?.flatten();
        let token = channel::token(cx, account).await?;
        let (quota, consumption) = join(
            cx.platform.fetch(messaging::quota(&cx.settings.line, &token)),
            cx.platform.fetch(messaging::consumption(&cx.settings.line, &token)),
        )
        .await;
        let quota: Quota = read(cx, account, &quota?)?;
        let Consumption { total_usage } = read(cx, account, &consumption?)?;
        let limited = quota.kind != "none";
        let quota = if limited { Some(quota.value.unwrap_or_default()) } else { None };
        let accepted_then = ours.map_or(0, |ours| ours.accepted);
        let asked = Self { month, at: now, accepted_then, quota, used: total_usage };
        Ok((asked, count.map_or(0, |count| count.count)))
    }

    /// The same for a statement that ends with a condition, if the month's quota and the account's budget leave so many messages.
    fn if_left(&self, statement: Statement, account: &Account, messages: i64) -> Statement {
        let bound = statement.values.len();
        let (of, month, more, budget) = (bound + 1, bound + 2, bound + 3, bound + 4);
        let sql = format!(
            "{} AND EXISTS (SELECT 1 FROM usage u WHERE u.account = ?{of} AND u.month = ?{month} \
               AND (u.quota IS NULL OR {USED} + {RESERVED} + ?{more} <= u.quota) \
               AND (?{budget} IS NULL OR u.accepted + {RESERVED} + ?{more} <= ?{budget}))",
            statement.sql,
        );
        let same = Statement { sql: sql.into(), ..statement };
        same.bind(&account.id).bind(self.month).bind(messages).bind(self::budget(account))
    }

    /// Notes it, unless somebody noted a later answer.
    fn note(&self, account: &Account) -> Statement {
        Statement::new(
            "INSERT INTO usage (account, month, quota, line_used, accepted_then, asked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (account, month) DO UPDATE SET quota = excluded.quota, line_used = excluded.line_used, \
               accepted_then = excluded.accepted_then, asked_at = excluded.asked_at \
             WHERE asked_at IS NULL OR asked_at <= excluded.asked_at",
        )
        .bind(&account.id)
        .bind(self.month)
        .bind(self.quota)
        .bind(self.used)
        .bind(self.accepted_then)
        .bind(self.at)
    }
}

fn read<P: Platform, T: serde::de::DeserializeOwned>(
    cx: Context<'_, P>,
    account: &Account,
    answer: &Answer,
) -> Result<T, PlatformError> {
    if answer.status == http::StatusCode::UNAUTHORIZED {
        cx.memory.forget_channel_token(&account.messaging.channel_id);
    }
    let read = if answer.status.is_success() { answer.json() } else { None };
    read.ok_or_else(|| PlatformError::NoAnswer(format!("LINE's quota: HTTP {}", answer.status.as_u16())))
}
