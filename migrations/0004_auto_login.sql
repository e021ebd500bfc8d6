-- Auto-login links, what becomes of logins by kind of browser, and of the friend box.

CREATE TABLE auto_login_links (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  target TEXT NOT NULL,
  context TEXT NOT NULL,
  label TEXT NOT NULL,
  campaign TEXT NOT NULL,
  sealed TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  version INTEGER NOT NULL,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX auto_login_links_by_age ON auto_login_links (account, created_at, id);

-- Days are dates in Japan, YYYY-MM-DD. An empty client, link or reason is none.
CREATE TABLE login_counts (
  account TEXT NOT NULL,
  day TEXT NOT NULL,
  client_id TEXT NOT NULL,
  link TEXT NOT NULL,
  browser TEXT NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (account, day, client_id, link, browser, outcome, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE friend_add_counts (
  account TEXT NOT NULL,
  day TEXT NOT NULL,
  client_id TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('normal', 'aggressive', 'off')),
  logins INTEGER NOT NULL,
  friends_before INTEGER NOT NULL,
  friends_added INTEGER NOT NULL,
  declined INTEGER NOT NULL,
  not_shown INTEGER NOT NULL,
  unknown INTEGER NOT NULL,
  PRIMARY KEY (account, day, client_id, mode)
) STRICT, WITHOUT ROWID;

-- The login that added the Official Account as a friend last, if one did.
ALTER TABLE line_users ADD COLUMN added_mode TEXT;
ALTER TABLE line_users ADD COLUMN added_client TEXT;
ALTER TABLE line_users ADD COLUMN added_at INTEGER;
CREATE INDEX line_users_added ON line_users (account, added_at) WHERE added_at IS NOT NULL;
