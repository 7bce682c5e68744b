-- How customers wait for a group; times in seconds, 0: nothing was set.
ALTER TABLE agent_groups ADD COLUMN ring_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent_groups ADD COLUMN wait_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent_groups ADD COLUMN absent_wait_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent_groups ADD COLUMN announce TEXT NOT NULL DEFAULT '';
ALTER TABLE agent_groups ADD COLUMN announce_every_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent_groups ADD COLUMN rejoin_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent_groups ADD COLUMN discard_s INTEGER NOT NULL DEFAULT 0;
