-- So that a list of what is rare does not pass by everything else.
CREATE INDEX tasks_by_type ON tasks (type);
CREATE INDEX tasks_by_kind ON tasks (kind);
CREATE INDEX tasks_by_user_and_type ON tasks (user, type) WHERE user IS NOT NULL;
