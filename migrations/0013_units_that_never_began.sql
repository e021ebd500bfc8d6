-- A send under a name that ends without having begun has no figures.
DROP TRIGGER sends_have_insight;
CREATE TRIGGER sends_have_insight AFTER UPDATE OF started_at, ended_at ON sends
WHEN new.unit IS NOT NULL AND coalesce(new.ended_at, new.started_at) IS NOT coalesce(old.ended_at, old.started_at)
  AND new.started_at IS NOT NULL BEGIN
  INSERT INTO unit_insight (account, unit, first_at, last_at, due_at)
  VALUES (new.account, new.unit, new.started_at, coalesce(new.ended_at, new.started_at),
    coalesce(new.ended_at, new.started_at) + 21600000)
  ON CONFLICT (account, unit) DO UPDATE SET last_at = max(last_at, excluded.last_at), refusal = NULL,
    due_at = min(coalesce(due_at, excluded.due_at), excluded.due_at);
END;
