-- Audiences at LINE, and narrowcasts to them.

CREATE TABLE audiences (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  rule TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('uploading', 'waiting', 'ready', 'deleting', 'failed', 'deleted')),
  -- Whether it outlives the narrowcast that used it.
  keep INTEGER NOT NULL,
  -- Why it failed; one that is failing is deleted at LINE first.
  reason TEXT,
  -- LINE's id; and whether LINE was asked to make it, which may have happened although no answer came.
  group_id INTEGER,
  asked INTEGER NOT NULL DEFAULT 0,
  -- The last of those who were uploaded, how many they are, and how many LINE says there are.
  expanded_to INTEGER NOT NULL DEFAULT 0,
  uploaded INTEGER NOT NULL DEFAULT 0,
  line_count INTEGER,
  created_at INTEGER NOT NULL,
  -- When somebody looks at it next; while a job has it, when its hold is over.
  due_at INTEGER,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX audiences_by_time ON audiences (account, created_at, id);
CREATE INDEX audiences_due ON audiences (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE narrowcasts (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  idempotency_key TEXT,
  request_digest TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'accepted', 'done', 'failed', 'unresolved')),
  reason TEXT,
  -- The audience's id, or null for all friends; LINE's demographic filter; the most recipients, asked for and as sent.
  audience TEXT,
  filter TEXT,
  wanted_max INTEGER,
  max INTEGER,
  silent INTEGER NOT NULL,
  messages TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER,
  -- Messages that are counted as used, and when.
  charged INTEGER NOT NULL DEFAULT 0,
  charged_at INTEGER,
  -- Attempts that LINE may have accepted, and the first of them.
  attempts INTEGER NOT NULL DEFAULT 0,
  first_attempt_at INTEGER,
  request_id TEXT,
  accepted_at INTEGER,
  ended_at INTEGER,
  target INTEGER,
  success INTEGER,
  failure INTEGER,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX narrowcasts_by_idempotency_key ON narrowcasts (account, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX narrowcasts_by_time ON narrowcasts (account, created_at, id);
CREATE INDEX narrowcasts_due ON narrowcasts (due_at) WHERE due_at IS NOT NULL;
