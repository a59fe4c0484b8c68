"""What several daemons share in one Redis (or Valkey).

``link`` the one way there: bounded calls, away or not · ``clients`` redis-py's client
for each kind of address · ``scripts`` what runs inside the server, in one round trip.

Nothing here is imported unless a URL is configured.
"""
