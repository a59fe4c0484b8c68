-- Times are UTC epoch seconds. Priorities are numbers here: 0 is the highest.

CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of arrival: the list's cursor
  task_id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  type TEXT NOT NULL,
  priority INTEGER NOT NULL,
  lane TEXT NOT NULL,
  tenant TEXT NOT NULL,
  key TEXT,
  user TEXT,
  batch_id TEXT,
  parent_id TEXT,
  created_at REAL NOT NULL,
  tag REAL NOT NULL, -- its place by fair queueing, for good
  state TEXT NOT NULL,
  queue INTEGER, -- its priority, while it may be claimed
  wake_at REAL, -- when it may be claimed, while it waits for that
  lease_until REAL, -- while it is in work
  expire_at REAL, -- its deadline, while it waits for an attempt
  remove_at REAL, -- once it is final
  age_from REAL, -- since when it could have begun, while it is queued
  status BLOB NOT NULL -- all that changes about it but its result, as msgpack
);
CREATE UNIQUE INDEX tasks_by_key ON tasks (tenant, key) WHERE key IS NOT NULL;
CREATE INDEX tasks_to_claim ON tasks (queue, lane, tag, seq) WHERE queue IS NOT NULL;
CREATE INDEX tasks_by_wake ON tasks (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX tasks_by_lease ON tasks (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX tasks_by_deadline ON tasks (expire_at) WHERE expire_at IS NOT NULL;
CREATE INDEX tasks_by_removal ON tasks (remove_at) WHERE remove_at IS NOT NULL;
CREATE INDEX tasks_by_age ON tasks (priority, kind, type, age_from)
  WHERE age_from IS NOT NULL;
CREATE INDEX tasks_by_state ON tasks (state);
CREATE INDEX tasks_by_tenant ON tasks (tenant);
CREATE INDEX tasks_by_user ON tasks (user) WHERE user IS NOT NULL;
CREATE INDEX tasks_by_batch ON tasks (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX tasks_by_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL;

-- Apart from what changes often, which would be written again with them.
CREATE TABLE specs (seq INTEGER PRIMARY KEY, spec BLOB NOT NULL);
CREATE TABLE results (seq INTEGER PRIMARY KEY, result BLOB NOT NULL);

-- The virtual time of each priority, and the last tag of each tenant in it.
CREATE TABLE virtual_time (priority INTEGER PRIMARY KEY, tag REAL NOT NULL);
CREATE TABLE shares (
  priority INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  tag REAL NOT NULL,
  PRIMARY KEY (priority, tenant)
) WITHOUT ROWID;

-- How many there are of each, so that nobody has to count.
CREATE TABLE depths (
  priority INTEGER NOT NULL,
  kind TEXT NOT NULL,
  type TEXT NOT NULL,
  part TEXT NOT NULL, -- queued, scheduled, waiting, in_work, dead
  tasks INTEGER NOT NULL,
  PRIMARY KEY (priority, kind, type, part)
) WITHOUT ROWID;
