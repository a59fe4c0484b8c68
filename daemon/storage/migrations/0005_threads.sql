-- Who said what to whom. Their texts are here, and nowhere else in this database.
CREATE TABLE threads (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they began: the cursor
  user TEXT NOT NULL, -- '' is nobody that a door knows
  name TEXT NOT NULL,
  task_type TEXT,
  state TEXT NOT NULL,
  started_at REAL NOT NULL,
  last_at REAL NOT NULL,
  simulated INTEGER NOT NULL,
  UNIQUE (user, name)
);
CREATE INDEX threads_by_name ON threads (name);

CREATE TABLE thread_entries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  thread INTEGER NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  entry_id TEXT NOT NULL UNIQUE,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  who TEXT NOT NULL,
  cost INTEGER, -- pico-dollars
  text TEXT,
  entry BLOB NOT NULL -- the whole entry but its text, as msgpack
);
CREATE INDEX thread_entries_by_thread ON thread_entries (thread, seq);
CREATE INDEX thread_entries_by_kind ON thread_entries (kind, seq);
CREATE INDEX thread_entries_by_time ON thread_entries (at);

-- How far the index of words has come, where SQLite has one: it is made on first use.
CREATE TABLE thread_words_done (seq INTEGER NOT NULL); -- one row
INSERT INTO thread_words_done VALUES (0);
