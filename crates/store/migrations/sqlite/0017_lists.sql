CREATE INDEX refusals_of_number ON refusals (company, number, id);
-- Both end with the id, by which the pages go.
CREATE INDEX direct_calls_of_company ON direct_calls (company, id);
