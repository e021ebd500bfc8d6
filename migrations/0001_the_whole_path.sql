-- Tables and their meaning: docs/STORAGE.md. Times are milliseconds since the Unix epoch. Every row carries its account.

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  config TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE line_users (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  line_user_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  name TEXT,
  picture TEXT,
  friend INTEGER CHECK (friend IN (0, 1)),
  friend_since INTEGER,
  friendship_at INTEGER NOT NULL DEFAULT 0,
  friendship_event TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX line_users_by_line_user_id ON line_users (account, line_user_id);
CREATE UNIQUE INDEX line_users_by_subject ON line_users (account, subject);

CREATE TABLE links (
  account TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  member_id TEXT NOT NULL,
  link_id TEXT NOT NULL,
  linked_at INTEGER NOT NULL,
  consent TEXT,
  PRIMARY KEY (account, line_user)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX links_by_member ON links (account, member_id);

CREATE TABLE link_history (
  account TEXT NOT NULL,
  link_id TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  member_id TEXT NOT NULL,
  linked_at INTEGER NOT NULL,
  consent TEXT,
  ended_at INTEGER NOT NULL,
  ended_by TEXT NOT NULL CHECK (ended_by IN ('unlinked', 'replaced')),
  PRIMARY KEY (account, link_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  account TEXT NOT NULL,
  member_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (account, member_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE attributes (
  account TEXT NOT NULL,
  member_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('boolean', 'number', 'text')),
  value ANY NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (account, member_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX attributes_by_value ON attributes (account, name, kind, value, member_id);

CREATE TABLE login_attempts (
  account TEXT NOT NULL,
  attempt TEXT NOT NULL,
  claimed_at INTEGER NOT NULL,
  sid TEXT,
  failed TEXT,
  PRIMARY KEY (account, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_attempts_by_age ON login_attempts (claimed_at);

CREATE TABLE parked_attempts (
  account TEXT NOT NULL,
  attempt TEXT NOT NULL,
  sealed TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (account, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_attempts_by_age ON parked_attempts (created_at);

CREATE TABLE sessions (
  account TEXT NOT NULL,
  sid TEXT NOT NULL,
  token_digest TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  auth_time INTEGER NOT NULL,
  amr TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  PRIMARY KEY (account, sid)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sessions_by_token ON sessions (account, token_digest);
CREATE INDEX sessions_by_line_user ON sessions (account, line_user);
CREATE INDEX sessions_by_age ON sessions (expires_at);

CREATE TABLE codes (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  client_id TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  code_challenge TEXT,
  nonce TEXT,
  scope TEXT NOT NULL,
  sid TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  spent_by TEXT,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_by_age ON codes (expires_at);

CREATE TABLE access_tokens (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  code_digest TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  sid TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_by_code ON access_tokens (account, code_digest);
CREATE INDEX access_tokens_by_age ON access_tokens (expires_at);

CREATE TABLE webhook_events (
  account TEXT NOT NULL,
  webhook_event_id TEXT NOT NULL,
  claimed_by TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (account, webhook_event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_events_by_age ON webhook_events (received_at);

CREATE TABLE webhook_inbox (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_inbox_by_age ON webhook_inbox (received_at);

CREATE TABLE chat_messages (
  account TEXT NOT NULL,
  message_id TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  kind TEXT NOT NULL,
  text TEXT,
  sent_at INTEGER NOT NULL,
  unsent INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sends (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  idempotency_key TEXT,
  request_digest TEXT NOT NULL,
  rule TEXT NOT NULL,
  messages TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('expanding', 'sending', 'done', 'partly_failed')),
  paused TEXT,
  expanded_to INTEGER NOT NULL DEFAULT 0,
  chunks INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sends_by_idempotency_key ON sends (account, idempotency_key);
CREATE INDEX sends_by_state ON sends (state, created_at);

CREATE TABLE chunks (
  account TEXT NOT NULL,
  send TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'failed', 'unresolved')),
  line_users TEXT NOT NULL,
  last_line_user INTEGER NOT NULL,
  targeted INTEGER NOT NULL,
  frozen TEXT,
  recipients INTEGER NOT NULL DEFAULT 0,
  excluded INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  generation INTEGER NOT NULL DEFAULT 0,
  first_attempt_at INTEGER,
  claimed_by TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  request_id TEXT,
  reason TEXT,
  PRIMARY KEY (account, send, chunk)
) STRICT, WITHOUT ROWID;
CREATE INDEX chunks_open ON chunks (account, send, due_at) WHERE state = 'open';

CREATE TABLE received (
  account TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  at INTEGER NOT NULL,
  send TEXT NOT NULL,
  PRIMARY KEY (account, line_user, at, send)
) STRICT, WITHOUT ROWID;

CREATE TABLE rates (
  account TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  next_at INTEGER NOT NULL,
  PRIMARY KEY (account, endpoint)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
  id TEXT PRIMARY KEY,
  account TEXT,
  source TEXT NOT NULL,
  reason TEXT NOT NULL,
  body TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_letters_by_age ON dead_letters (at);
