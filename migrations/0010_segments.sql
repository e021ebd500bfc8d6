-- Segments: LINE users by friendship, in order, and who logged in by which link.

-- Rules that speak of the link go through friends, linked or not.
CREATE INDEX line_users_by_friendship ON line_users (account, friend, id);

-- Who logged in by which auto-login link, once a login.
CREATE TABLE clicks (
  account TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  at INTEGER NOT NULL,
  link TEXT NOT NULL,
  PRIMARY KEY (account, line_user, at, link)
) STRICT, WITHOUT ROWID;
CREATE INDEX clicks_by_age ON clicks (at);
