-- What the shop says late of its customers, and where its columns are.

-- A tag that was taken away, and when; the tag '' is the whole list, which was said then. An older word that comes later does
-- not bring the tag back.
CREATE TABLE tag_removals (
  account TEXT NOT NULL,
  member INTEGER NOT NULL,
  tag TEXT NOT NULL,
  removed_at INTEGER NOT NULL,
  PRIMARY KEY (account, member, tag)
) STRICT, WITHOUT ROWID;

-- The columns of an import's lines, as JSON; null where the kind has its own.
ALTER TABLE imports ADD COLUMN columns TEXT;
