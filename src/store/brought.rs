//! Links that were made elsewhere and are brought over: an import's, and those of lines that name a LINE user. They displace
//! nothing. `e` are rows of `json_each`; `from` is `FROM … WHERE …` over them, and `?1` the account.

/// SQL: makes the rows of LINE users, where they are not there and the member is free.
#[must_use]
pub fn see(member: &str, user: &str, subject: &str, now: &str, from: &str) -> String {
    format!(
        "INSERT INTO line_users (account, line_user_id, subject, created_at) \
         SELECT ?1, {user}, {subject}, {now} {from} \
           AND NOT EXISTS (SELECT 1 FROM links l WHERE l.account = ?1 AND l.member_id = {member}) \
         ON CONFLICT (account, line_user_id) DO NOTHING"
    )
}

/// The link that is to be made of a row.
#[derive(Debug)]
pub struct Link<'a> {
    /// SQL: the row's number, by which they are made in order.
    pub number: &'a str,
    /// SQL: the member.
    pub member: &'a str,
    /// SQL: the LINE user.
    pub user: &'a str,
    /// SQL: the link's id.
    pub link_id: &'a str,
    /// SQL: the consent.
    pub consent: &'a str,
    /// SQL: the time.
    pub now: &'a str,
}

impl Link<'_> {
    /// SQL: makes the links in the order of the rows. A row whose member or LINE user is taken, be it by a row before it, makes
    /// none.
    #[must_use]
    pub fn make(&self, rows: &str, condition: &str) -> String {
        let Self { number, member, user, link_id, consent, now } = self;
        format!(
            "INSERT INTO links (account, line_user, member_id, link_id, linked_at, consent) \
             SELECT ?1, u.id, {member}, {link_id}, {now}, {consent} FROM {rows} \
             CROSS JOIN line_users u ON u.account = ?1 AND u.line_user_id = {user} \
             WHERE {condition} ORDER BY {number} ON CONFLICT DO NOTHING"
        )
    }
}
