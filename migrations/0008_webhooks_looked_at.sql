-- What of LINE's webhooks lies among the dead letters of an account.
CREATE INDEX dead_letters_of_webhooks ON dead_letters (account, at, id) WHERE source IN ('webhook', 'queue');
