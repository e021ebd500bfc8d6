-- Customers: members by number, attributes of more kinds, tags, events, and rules that are kept.

-- A member's number is theirs for ever and nobody's after them; everything about a member beside the link is keyed by it.
CREATE TABLE numbered_members (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL,
  member_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO numbered_members (account, member_id, created_at, updated_at)
SELECT account, member_id, created_at, updated_at FROM members;
INSERT INTO numbered_members (account, member_id, created_at, updated_at)
SELECT l.account, l.member_id, l.linked_at, l.linked_at FROM links l
WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.account = l.account AND m.member_id = l.member_id);
DROP TABLE members;
ALTER TABLE numbered_members RENAME TO members;
CREATE UNIQUE INDEX members_by_member_id ON members (account, member_id);

ALTER TABLE links ADD COLUMN member INTEGER;
UPDATE links SET member = (SELECT m.id FROM members m WHERE m.account = links.account AND m.member_id = links.member_id);
CREATE INDEX links_by_member_number ON links (account, member);

-- Whoever makes a link makes the member, if the shop has not told of them yet.
CREATE TRIGGER links_have_members AFTER INSERT ON links BEGIN
  INSERT INTO members (account, member_id, created_at, updated_at)
  SELECT new.account, new.member_id, new.linked_at, new.linked_at
  WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.account = new.account AND m.member_id = new.member_id);
  UPDATE links SET member = (SELECT m.id FROM members m WHERE m.account = new.account AND m.member_id = new.member_id)
  WHERE account = new.account AND line_user = new.line_user;
END;

-- What is removed leaves a row that says when, so that an older word that comes later does not bring it back. A list's value is its
-- JSON; its elements lie in attribute_items.
CREATE TABLE member_attributes (
  account TEXT NOT NULL,
  member INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('boolean', 'number', 'text', 'date', 'list', 'removed')),
  value ANY NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (account, member, name)
) STRICT, WITHOUT ROWID;
INSERT INTO member_attributes (account, member, name, kind, value, updated_at)
SELECT a.account, m.id, a.name,
  CASE WHEN a.kind = 'text' AND a.value GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND date(a.value) = a.value
    THEN 'date' ELSE a.kind END,
  a.value, a.updated_at
FROM attributes a JOIN members m ON m.account = a.account AND m.member_id = a.member_id;
DROP TABLE attributes;
ALTER TABLE member_attributes RENAME TO attributes;
CREATE INDEX attributes_by_value ON attributes (account, name, kind, value, member);

CREATE TABLE attribute_items (
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  value ANY NOT NULL,
  member INTEGER NOT NULL,
  PRIMARY KEY (account, name, value, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX attribute_items_by_member ON attribute_items (account, member, name);

CREATE TABLE tags (
  account TEXT NOT NULL,
  tag TEXT NOT NULL,
  member INTEGER NOT NULL,
  tagged_at INTEGER NOT NULL,
  PRIMARY KEY (account, tag, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_member ON tags (account, member);

CREATE TABLE events (
  number INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  member INTEGER NOT NULL,
  type TEXT NOT NULL,
  occurred_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  properties TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (account, id);
CREATE INDEX events_by_type ON events (account, type, occurred_at, member);
CREATE INDEX events_by_member ON events (account, member, type, occurred_at);

-- How many events of a type a day of occurred_at has (milliseconds / 86,400,000): what rules cost is told from it.
CREATE TABLE event_days (
  account TEXT NOT NULL,
  type TEXT NOT NULL,
  day INTEGER NOT NULL,
  events INTEGER NOT NULL,
  PRIMARY KEY (account, type, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_types (
  account TEXT NOT NULL,
  type TEXT NOT NULL,
  retention_days INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (account, type)
) STRICT, WITHOUT ROWID;

CREATE TABLE segments (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  rule TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX segments_by_name ON segments (account, name);
