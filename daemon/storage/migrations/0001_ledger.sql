-- Times are UTC epoch seconds, durations seconds, money pico-dollars (1e-12 USD).
-- NULL is "not known", never 0.

CREATE TABLE requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of folding: the history's cursor
  request_id TEXT NOT NULL,
  decision_id TEXT NOT NULL,
  at REAL NOT NULL,
  door TEXT NOT NULL,
  strategy TEXT NOT NULL,
  outcome TEXT NOT NULL,
  requested_model TEXT,
  provider TEXT,
  model TEXT,
  task_type TEXT,
  user TEXT,
  stream INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  latency_s REAL NOT NULL,
  overhead_s REAL NOT NULL,
  time_to_first_token_s REAL,
  prompt_tokens INTEGER,
  completion_tokens INTEGER,
  cost INTEGER,
  known_cost INTEGER NOT NULL,
  cost_source TEXT NOT NULL,
  confidence REAL,
  degraded INTEGER NOT NULL,
  finish_reason TEXT,
  error_message TEXT,
  prompt_chars INTEGER NOT NULL,
  simulated INTEGER NOT NULL,
  record BLOB NOT NULL, -- the whole record as msgpack
  UNIQUE (request_id, decision_id)
);
CREATE INDEX requests_by_decision ON requests (decision_id);
CREATE INDEX requests_by_time ON requests (at);

CREATE TABLE attempts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- the usage logs' cursor
  request INTEGER NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  attempt_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  answered_model TEXT,
  outcome TEXT NOT NULL,
  status INTEGER,
  started_at REAL NOT NULL,
  latency_s REAL NOT NULL,
  prompt_tokens INTEGER,
  completion_tokens INTEGER,
  cached_tokens INTEGER,
  cache_write_tokens INTEGER,
  reasoning_tokens INTEGER,
  total_tokens INTEGER,
  cost INTEGER,
  cost_source TEXT NOT NULL,
  UNIQUE (request, seq)
);

-- Survives the deletion of old requests.
CREATE TABLE totals (
  provider TEXT PRIMARY KEY,
  requests INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  unpriced_calls INTEGER NOT NULL,
  last_request_at REAL
);

CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL);

-- How much of each usage log is known to be whole, and which file that was.
CREATE TABLE usage_logs (
  name TEXT PRIMARY KEY,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL
);
CREATE TABLE exported (attempt INTEGER NOT NULL); -- one row: the last one exported
INSERT INTO exported VALUES (0);
