-- Sends as a state machine with quota, budget, pauses and outcomes for each recipient.

CREATE TABLE sends_next (
  -- Short name of the send within receipts.
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  idempotency_key TEXT,
  request_digest TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN
    ('draft', 'scheduled', 'expanding', 'sending', 'cancelling', 'done', 'partly_failed', 'cancelled')),
  -- Why nothing new begins; the state stays where it was.
  paused TEXT,
  created_at INTEGER NOT NULL,
  scheduled_at INTEGER,
  started_at INTEGER,
  ended_at INTEGER,
  settled_at INTEGER,
  -- When somebody looks at it next; null: nobody has to.
  due_at INTEGER,
  -- The hours in which nothing begins, as minutes of the day in UTC: as asked for, and as they count since the start.
  quiet TEXT,
  quiet_from INTEGER,
  quiet_to INTEGER,
  -- At most so many messages in so many milliseconds for each recipient; nobody who had one so recently.
  capped TEXT,
  cap INTEGER,
  cap_within INTEGER,
  recent_within INTEGER,
  -- The most messages that it may cost.
  budget INTEGER,
  -- The attributes that each recipient's own message is filled from, as JSON; null: all get the same.
  personal TEXT,
  -- Messages that are reserved, for which month (Japan time, months since year 0), and how many of them are settled.
  month INTEGER,
  granted INTEGER NOT NULL DEFAULT 0,
  settled INTEGER NOT NULL DEFAULT 0,
  targeted INTEGER NOT NULL DEFAULT 0,
  expanded_to INTEGER NOT NULL DEFAULT 0,
  chunks INTEGER NOT NULL DEFAULT 0,
  -- Chunks below this number may be delivered.
  released INTEGER NOT NULL DEFAULT 0,
  -- Of chunks below this number it is no longer known who they were for.
  swept INTEGER NOT NULL DEFAULT 0,
  -- `"customAggregationUnits":[…]` and the like, as the body of each call continues after the messages.
  with_each TEXT NOT NULL DEFAULT '',
  unit TEXT,
  segment TEXT,
  name TEXT NOT NULL DEFAULT '',
  audience TEXT NOT NULL,
  messages TEXT NOT NULL
) STRICT;
INSERT INTO sends_next (account, id, idempotency_key, request_digest, state, paused, created_at, started_at, due_at,
    expanded_to, chunks, released, audience, messages)
  SELECT account, id, idempotency_key, request_digest, state, paused, created_at, created_at,
    CASE WHEN state = 'expanding' THEN created_at END, expanded_to, chunks, chunks,
    json_object('rule', json(rule)), messages
  FROM sends ORDER BY created_at, id;
DROP TABLE sends;
ALTER TABLE sends_next RENAME TO sends;
CREATE UNIQUE INDEX sends_by_id ON sends (account, id);
CREATE UNIQUE INDEX sends_by_idempotency_key ON sends (account, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX sends_by_account ON sends (account, number);
-- Those that hold a reservation, or have something open.
CREATE INDEX sends_active ON sends (account, number) WHERE state IN ('expanding', 'sending', 'cancelling');
CREATE INDEX sends_kept ON sends (ended_at) WHERE ended_at IS NOT NULL AND swept < chunks;
CREATE INDEX sends_due ON sends (due_at) WHERE due_at IS NOT NULL AND paused IS NULL;

CREATE TABLE chunks_next (
  account TEXT NOT NULL,
  send TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'failed', 'unresolved', 'cancelled')),
  targeted INTEGER NOT NULL,
  last_line_user INTEGER NOT NULL,
  -- What became of those of them that are settled.
  accepted INTEGER NOT NULL DEFAULT 0,
  blocked INTEGER NOT NULL DEFAULT 0,
  unlinked INTEGER NOT NULL DEFAULT 0,
  capped INTEGER NOT NULL DEFAULT 0,
  recent INTEGER NOT NULL DEFAULT 0,
  erased INTEGER NOT NULL DEFAULT 0,
  unknown INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  unfit INTEGER NOT NULL DEFAULT 0,
  unresolved INTEGER NOT NULL DEFAULT 0,
  generation INTEGER NOT NULL DEFAULT 0,
  -- How the calls of this generation are built; the oldest of them whose outcome is unknown.
  form INTEGER,
  first_attempt_at INTEGER,
  claimed_by TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  request_id TEXT,
  reason TEXT,
  -- Whether who is linked no more is left out: 0 where the rule speaks of the link.
  linked INTEGER NOT NULL DEFAULT 1,
  -- Whom it was made for, and who of them is not settled yet where that is not everybody: JSON of line_users.id.
  line_users TEXT NOT NULL,
  rest TEXT,
  -- Frozen at the first claim of a generation: who gets it, as ids and as LINE knows them; who does not, with why.
  ids TEXT,
  recipients TEXT,
  left_out TEXT,
  -- Of a chunk of personal messages: what became of each of `ids`, null where that is open.
  outcomes TEXT,
  PRIMARY KEY (account, send, chunk)
) STRICT, WITHOUT ROWID;
INSERT INTO chunks_next (account, send, chunk, state, targeted, last_line_user, accepted, blocked, unknown, refused,
    unresolved, generation, form, first_attempt_at, lease_until, due_at, request_id, reason, line_users, ids, recipients,
    left_out)
  SELECT account, send, chunk, state, targeted, last_line_user, CASE WHEN state = 'accepted' THEN recipients ELSE 0 END,
    excluded, refused, CASE WHEN state = 'failed' THEN recipients ELSE 0 END,
    CASE WHEN state = 'unresolved' THEN recipients ELSE 0 END, generation, CASE WHEN frozen IS NOT NULL THEN 1 END,
    first_attempt_at, lease_until, due_at, request_id, reason, line_users,
    (SELECT json_group_array(value ->> 0) FROM json_each(frozen)),
    (SELECT json_group_array(value ->> 1) FROM json_each(frozen)),
    CASE WHEN frozen IS NOT NULL THEN (SELECT json_group_array(json_array(value, 10)) FROM json_each(line_users)
      WHERE value NOT IN (SELECT f.value ->> 0 FROM json_each(frozen) f)) END
  FROM chunks;
DROP TABLE chunks;
ALTER TABLE chunks_next RENAME TO chunks;
CREATE INDEX chunks_open ON chunks (account, send, due_at) WHERE state = 'open';
-- Those that LINE may have: somebody calls, or called and knows no outcome.
CREATE INDEX chunks_under_way ON chunks (account, send) WHERE state = 'open' AND first_attempt_at IS NOT NULL;

UPDATE sends SET targeted = (SELECT coalesce(sum(targeted), 0) FROM chunks c WHERE c.account = sends.account AND c.send = sends.id);
UPDATE sends SET granted = targeted, settled = (SELECT coalesce(sum(targeted), 0) FROM chunks c
  WHERE c.account = sends.account AND c.send = sends.id AND c.state <> 'open');
-- What was under way goes on by its next look, which reserves it.
UPDATE sends SET due_at = created_at WHERE state IN ('expanding', 'sending');

-- What became of each recipient of each send; outcomes: docs/STORAGE.md.
CREATE TABLE receipts (
  account TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  at INTEGER NOT NULL,
  send INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  PRIMARY KEY (account, line_user, at, send)
) STRICT, WITHOUT ROWID;
INSERT INTO receipts SELECT r.account, r.line_user, r.at, s.number, 1
  FROM received r JOIN sends s ON s.account = r.account AND s.id = r.send;
DROP TABLE received;

-- Messages that LINE accepted of us, by month in Japan; and what LINE said of the month, and where our count stood then.
CREATE TABLE usage (
  account TEXT NOT NULL,
  month INTEGER NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0,
  quota INTEGER,
  line_used INTEGER NOT NULL DEFAULT 0,
  accepted_then INTEGER NOT NULL DEFAULT 0,
  asked_at INTEGER,
  PRIMARY KEY (account, month)
) STRICT, WITHOUT ROWID;
