-- Segments: LINE users in order, and who logged in by which link.

-- Rules that speak of the link go through LINE users, linked or not. The friendship is no part of it: an index that had it would be
-- written again with each follow and unfollow.
CREATE INDEX line_users_in_order ON line_users (account, id);

-- Who logged in by which auto-login link, once a login.
CREATE TABLE clicks (
  account TEXT NOT NULL,
  line_user INTEGER NOT NULL,
  at INTEGER NOT NULL,
  link TEXT NOT NULL,
  PRIMARY KEY (account, line_user, at, link)
) STRICT, WITHOUT ROWID;
CREATE INDEX clicks_by_age ON clicks (at);
