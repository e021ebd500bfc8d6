-- LINE's deliveries as a ledger: what came, what became of it, in the order in which it became durable.

CREATE TABLE webhook_deliveries (
  account TEXT NOT NULL,
  -- Its place among the account's deliveries; relays follow it.
  seq INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  applied_at INTEGER,
  -- What waits was too large for the queue, or came while the queue refused.
  verdict TEXT NOT NULL CHECK (verdict IN ('waiting', 'applied', 'duplicate', 'unreadable', 'failed')),
  events INTEGER NOT NULL,
  -- When cron looks after what waits.
  due_at INTEGER,
  -- Events of it that were known.
  duplicates INTEGER NOT NULL DEFAULT 0,
  signature TEXT NOT NULL,
  -- Whether the body is not as LINE signed it any more: a message was unsent, or a person erased.
  altered INTEGER NOT NULL DEFAULT 0 CHECK (altered IN (0, 1)),
  -- Whether events of it are claimed from another delivery, or not at all: then no claim leads here, and its body is looked
  -- through when somebody is erased or unsends a message.
  loose INTEGER NOT NULL DEFAULT 0 CHECK (loose IN (0, 1)),
  -- The raw body; empty where the delivery says nothing new.
  body TEXT NOT NULL,
  PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (due_at) WHERE verdict = 'waiting';
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (account, seq)
  WHERE verdict IN ('waiting', 'unreadable', 'failed');
CREATE INDEX webhook_deliveries_loose ON webhook_deliveries (account, seq) WHERE loose = 1;
INSERT INTO webhook_deliveries (account, seq, received_at, due_at, verdict, events, signature, body)
  SELECT account, row_number() OVER (PARTITION BY account ORDER BY received_at, id), received_at, received_at, 'waiting',
    coalesce(json_array_length(body, '$.events'), 0), '', body FROM webhook_inbox;
DROP TABLE webhook_inbox;

-- A claim says in which delivery the event lies, and whom it names: what names a person is found when they are erased. Claims
-- are swept in the order of their ids, which is that of time (ULID).
DROP INDEX webhook_events_by_age;
ALTER TABLE webhook_events ADD COLUMN delivery INTEGER;
ALTER TABLE webhook_events ADD COLUMN line_user_id TEXT;
CREATE INDEX webhook_events_by_line_user ON webhook_events (account, line_user_id) WHERE line_user_id IS NOT NULL;

-- Messages by whom they are of, so that one row keeps one: those of groups stand under no user (0) and without text, for
-- their unsending must find the delivery.
CREATE TABLE chat_messages_next (
  account TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  -- The delivery that brought it.
  delivery INTEGER,
  kind TEXT NOT NULL,
  text TEXT,
  sent_at INTEGER NOT NULL,
  unsent INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, line_user, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO chat_messages_next (account, line_user, message_id, kind, text, sent_at, unsent)
  SELECT account, line_user, message_id, kind, text, sent_at, unsent FROM chat_messages;
DROP TABLE chat_messages;
ALTER TABLE chat_messages_next RENAME TO chat_messages;

-- What came, by the hour. A column of lag counts the deliveries that were applied within so many milliseconds of their
-- receipt, and not within fewer.
CREATE TABLE webhook_counts (
  account TEXT NOT NULL,
  hour INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  events INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  lag_100 INTEGER NOT NULL DEFAULT 0,
  lag_250 INTEGER NOT NULL DEFAULT 0,
  lag_500 INTEGER NOT NULL DEFAULT 0,
  lag_1000 INTEGER NOT NULL DEFAULT 0,
  lag_2500 INTEGER NOT NULL DEFAULT 0,
  lag_5000 INTEGER NOT NULL DEFAULT 0,
  lag_15000 INTEGER NOT NULL DEFAULT 0,
  lag_60000 INTEGER NOT NULL DEFAULT 0,
  lag_more INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, hour)
) STRICT, WITHOUT ROWID;

-- What the door refused, by the hour and reason.
CREATE TABLE webhook_refusals (
  account TEXT NOT NULL,
  hour INTEGER NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (account, hour, reason)
) STRICT, WITHOUT ROWID;
