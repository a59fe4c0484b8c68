-- One label a decision, the newest; survives the deletion of old requests.
CREATE TABLE feedback (
  decision_id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  model TEXT NOT NULL, -- as it was asked for
  task_type TEXT,
  score REAL NOT NULL,
  at REAL NOT NULL,
  user TEXT,
  comment TEXT,
  simulated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX feedback_by_model ON feedback (provider, model, task_type, at);
