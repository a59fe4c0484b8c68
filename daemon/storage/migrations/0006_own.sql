-- Users list what is their own.
CREATE INDEX requests_by_user ON requests (user);
