-- The ID link as a record: how it ended and what LINE was told, flows from the chat, the shop's events, erasure.

-- An id of a LINE user is never given again: work under way may still name one who was erased.
CREATE TABLE line_users_next (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL,
  line_user_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  name TEXT,
  picture TEXT,
  friend INTEGER CHECK (friend IN (0, 1)),
  friend_since INTEGER,
  friendship_at INTEGER NOT NULL DEFAULT 0,
  friendship_event TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  email TEXT,
  email_verified_at INTEGER,
  -- LINE's own tokens of the last login, sealed: with them LINE is told of an unlinking.
  line_tokens TEXT
) STRICT;
INSERT INTO line_users_next (id, account, line_user_id, subject, name, picture, friend, friend_since, friendship_at,
    friendship_event, created_at, email, email_verified_at)
  SELECT id, account, line_user_id, subject, name, picture, friend, friend_since, friendship_at,
    friendship_event, created_at, email, email_verified_at FROM line_users;
DROP TABLE line_users;
ALTER TABLE line_users_next RENAME TO line_users;
CREATE UNIQUE INDEX line_users_by_line_user_id ON line_users (account, line_user_id);
CREATE UNIQUE INDEX line_users_by_subject ON line_users (account, subject);

CREATE TABLE link_history_next (
  account TEXT NOT NULL,
  link_id TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  member_id TEXT NOT NULL,
  linked_at INTEGER NOT NULL,
  consent TEXT,
  ended_at INTEGER NOT NULL,
  ended_by TEXT NOT NULL CHECK (ended_by IN ('unlinked', 'customer', 'replaced')),
  -- Whether LINE was told; null where nothing is to be told.
  line_told TEXT CHECK (line_told IN ('owed', 'told', 'impossible')),
  PRIMARY KEY (account, link_id)
) STRICT, WITHOUT ROWID;
INSERT INTO link_history_next (account, link_id, line_user, member_id, linked_at, consent, ended_at, ended_by)
  SELECT account, link_id, line_user, member_id, linked_at, consent, ended_at, ended_by FROM link_history;
DROP TABLE link_history;
ALTER TABLE link_history_next RENAME TO link_history;
CREATE INDEX link_history_by_line_user ON link_history (account, line_user, ended_at, link_id);
CREATE INDEX link_history_by_member ON link_history (account, member_id, ended_at, link_id);

-- Account-link flows from the chat: the member who asked, under the digest of the nonce that LINE repeats.
CREATE TABLE link_nonces (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  member_id TEXT NOT NULL,
  consent TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_nonces_by_age ON link_nonces (expires_at);
CREATE INDEX link_nonces_by_member ON link_nonces (account, member_id);

-- Who was erased, as keyed digests: so that neither an import nor work under way brings them back.
CREATE TABLE tombstones (
  account TEXT NOT NULL,
  digest TEXT NOT NULL,
  erased_at INTEGER NOT NULL,
  PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_by_age ON tombstones (account, erased_at);

CREATE INDEX chat_messages_by_line_user ON chat_messages (account, line_user, sent_at);

CREATE TABLE outbox_next (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('webhook', 'event', 'logout', 'deauthorize', 'reply')),
  body TEXT NOT NULL,
  -- Whom it speaks of, where it goes when they are erased.
  line_user INTEGER,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  -- What the last attempt came to.
  reason TEXT,
  -- An event that nobody took in its time is kept, and can be told again.
  dead_at INTEGER,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
INSERT INTO outbox_next (account, id, kind, body, created_at, due_at, expires_at, attempts)
  SELECT account, id, kind, body, created_at, due_at, expires_at, attempts FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_next RENAME TO outbox;
CREATE INDEX outbox_by_due ON outbox (due_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (account, dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX outbox_by_line_user ON outbox (account, line_user) WHERE line_user IS NOT NULL;
-- The shop's events that name a member, whomever else they are about.
CREATE INDEX outbox_by_member ON outbox (account, body ->> '$.data.member_id') WHERE kind = 'event';
