-- JSON: further addresses of a trunk, and how it is watched.
ALTER TABLE trunks ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
