-- What LINE counts of messages by unit: how many saw them, how many tapped where.

CREATE TABLE unit_insight (
  account TEXT NOT NULL,
  unit TEXT NOT NULL,
  -- When a send first and last began or ended under this name: LINE's figures move for 14 days after it.
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  -- When LINE is asked next; null: the figures move no more, or LINE refused.
  due_at INTEGER,
  fetched_at INTEGER,
  -- JSON: from, to, and LINE's overview, messages and clicks.
  figures TEXT,
  refusal TEXT,
  PRIMARY KEY (account, unit)
) STRICT, WITHOUT ROWID;
CREATE INDEX unit_insight_due ON unit_insight (due_at) WHERE due_at IS NOT NULL;

-- Whoever sends under a name has its figures asked for, first six hours (21,600,000 ms) later.
CREATE TRIGGER sends_have_insight AFTER UPDATE OF started_at, ended_at ON sends
WHEN new.unit IS NOT NULL AND coalesce(new.ended_at, new.started_at) IS NOT coalesce(old.ended_at, old.started_at)
  AND coalesce(new.ended_at, new.started_at) IS NOT NULL BEGIN
  INSERT INTO unit_insight (account, unit, first_at, last_at, due_at)
  VALUES (new.account, new.unit, new.started_at, coalesce(new.ended_at, new.started_at),
    coalesce(new.ended_at, new.started_at) + 21600000)
  ON CONFLICT (account, unit) DO UPDATE SET last_at = max(last_at, excluded.last_at), refusal = NULL,
    due_at = min(coalesce(due_at, excluded.due_at), excluded.due_at);
END;
INSERT INTO unit_insight (account, unit, first_at, last_at, due_at)
SELECT account, unit, min(started_at), max(coalesce(ended_at, started_at)), max(started_at) + 21600000
FROM sends WHERE unit IS NOT NULL AND started_at IS NOT NULL GROUP BY account, unit;
