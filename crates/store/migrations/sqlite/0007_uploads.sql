-- Campaigns whose leads come in many transactions: NULL for all others, and from when all leads are there. Else the
-- status that the campaign will have then; until then it is a draft that no list shows.
ALTER TABLE campaigns ADD COLUMN unpublished TEXT;

DROP INDEX campaigns_by_age;
-- `id` is in it so that a page is read in its order, `unpublished` so that counting reads nothing else.
CREATE INDEX campaigns_by_age ON campaigns (company, created_at, id, unpublished) WHERE unpublished IS NULL;
DROP INDEX campaigns_open;
CREATE INDEX campaigns_open ON campaigns (company, created_at) WHERE status <> 'ended' AND unpublished IS NULL;
CREATE INDEX campaigns_unpublished ON campaigns (id) WHERE unpublished IS NOT NULL;
