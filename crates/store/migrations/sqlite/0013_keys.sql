-- Keys that the customer pressed.
ALTER TABLE bills ADD COLUMN keys TEXT NOT NULL DEFAULT '';
