-- Whether it is judged who answers; NULL: as the configuration says.
ALTER TABLE campaigns ADD COLUMN amd INTEGER;

-- What the network said of the number, by a tone or an announcement, when that ended the call.
ALTER TABLE calls ADD COLUMN notice TEXT;
ALTER TABLE leads ADD COLUMN notice TEXT;
