-- Relays: further tools that take LINE's deliveries from us, each a cursor over the ledger.

CREATE TABLE relays (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  url TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  -- The last delivery that is done with: sent, given up, or gone from the ledger.
  cursor INTEGER NOT NULL,
  -- Nothing after the cursor is older than this, but for what waited for its own consumer.
  cursor_at INTEGER NOT NULL,
  -- Null while there is nothing to do. Otherwise the time at which it is cron's to call a job, because whoever has it now
  -- (lease) or the job that was to try again is lost.
  due_at INTEGER,
  -- The run that has it, until due_at; 'woken' while a job is on its way that any run may take up.
  lease TEXT,
  -- Of the delivery after the cursor.
  attempts INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER,
  -- What the last attempt that failed came to.
  reason TEXT,
  delivered INTEGER NOT NULL DEFAULT 0,
  delivered_at INTEGER,
  -- Deliveries that the ledger had dropped before their turn came.
  lost INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX relays_due ON relays (due_at) WHERE due_at IS NOT NULL AND paused = 0;

-- What a relay gave up on, by its place in the ledger, which has the body.
CREATE TABLE relay_dead_letters (
  account TEXT NOT NULL,
  relay TEXT NOT NULL,
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  -- Whether it is to be tried once more.
  again INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1)),
  PRIMARY KEY (account, relay, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX relay_dead_letters_again ON relay_dead_letters (account, relay, seq) WHERE again = 1;
CREATE INDEX relay_dead_letters_by_age ON relay_dead_letters (at);
