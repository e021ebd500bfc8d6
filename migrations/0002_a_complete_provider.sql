-- A complete OpenID Provider: grants with refresh tokens, pushed requests, logout, e-mail, the outbox, the audit log.

ALTER TABLE accounts ADD COLUMN keys_due_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX accounts_by_keys_due ON accounts (keys_due_at);

CREATE TABLE audit_log (
  account TEXT NOT NULL,
  at INTEGER NOT NULL,
  id TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (account, at, id)
) STRICT, WITHOUT ROWID;

ALTER TABLE line_users ADD COLUMN email TEXT;
ALTER TABLE line_users ADD COLUMN email_verified_at INTEGER;

-- Whether a session's login asked LINE for the address, and whether its customer goes on with one that is not verified.
ALTER TABLE sessions ADD COLUMN email_asked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN email_waived INTEGER NOT NULL DEFAULT 0;

-- The link that the redemption of a code makes: {member_id, consent}.
ALTER TABLE codes ADD COLUMN link TEXT;

CREATE TABLE grants (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  sid TEXT NOT NULL,
  scope TEXT NOT NULL,
  auth_time INTEGER NOT NULL,
  amr TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_sid ON grants (account, sid);
CREATE INDEX grants_by_line_user ON grants (account, line_user);
CREATE INDEX grants_by_age ON grants (expires_at);

-- Access tokens (RFC 6750). The table access_tokens stays for a worker of before, until a later migration drops it.
CREATE TABLE bearer_tokens (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX bearer_tokens_by_age ON bearer_tokens (expires_at);

CREATE TABLE refresh_tokens (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  successor TEXT,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_age ON refresh_tokens (expires_at);

-- LIFF ID tokens that were traded: each is accepted once.
CREATE TABLE traded_tokens (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  traded_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX traded_tokens_by_age ON traded_tokens (expires_at);

CREATE TABLE pushed_requests (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  client_id TEXT NOT NULL,
  request TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  opened_by TEXT,
  spent_by TEXT,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX pushed_requests_by_age ON pushed_requests (created_at);

CREATE TABLE email_codes (
  account TEXT NOT NULL,
  attempt TEXT NOT NULL,
  email TEXT NOT NULL,
  code_digest TEXT NOT NULL,
  mailed INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  proven INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (account, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX email_codes_by_age ON email_codes (expires_at);
CREATE INDEX email_codes_by_address ON email_codes (account, email);

CREATE TABLE outbox (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('webhook', 'logout')),
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_due ON outbox (due_at);
