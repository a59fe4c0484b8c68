-- How a request was given another's answer (cached, joined, repeated), and what that had cost.
ALTER TABLE requests ADD COLUMN reused TEXT;
ALTER TABLE requests ADD COLUMN saved INTEGER;
