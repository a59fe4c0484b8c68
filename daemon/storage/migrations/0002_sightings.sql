-- Which request's record holds the figures that decisions saw, by their numbers.
CREATE TABLE sightings (
  epoch TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  request INTEGER NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
  PRIMARY KEY (epoch, last)
) WITHOUT ROWID;
CREATE INDEX sightings_by_request ON sightings (request);
