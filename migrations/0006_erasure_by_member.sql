-- What names a member is found when they are erased: flows from the chat, which are kept for days, and the shop's events,
-- whomever else they are about.

CREATE INDEX link_nonces_by_member ON link_nonces (account, member_id);
CREATE INDEX outbox_by_member ON outbox (account, body ->> '$.data.member_id') WHERE kind = 'event';
