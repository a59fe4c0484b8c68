-- What daily budgets count for a call of unknown cost: the most it may have cost.
ALTER TABLE attempts ADD COLUMN held INTEGER;
