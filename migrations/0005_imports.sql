-- Imports: what is brought over from another system, in parts that are each applied once.

CREATE TABLE imports (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'finished')),
  consent TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX imports_by_age ON imports (account, created_at, id);

-- The refused lines of a part lie together, [[line, reason], …], so that a file full of them costs one row and not
-- thousands. They come last, so that whoever counts does not read them.
CREATE TABLE import_parts (
  account TEXT NOT NULL,
  import TEXT NOT NULL,
  part INTEGER NOT NULL,
  digest TEXT NOT NULL,
  claimed_by TEXT NOT NULL,
  place INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  counts TEXT NOT NULL DEFAULT '{}',
  refused TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (account, import, part)
) STRICT, WITHOUT ROWID;
