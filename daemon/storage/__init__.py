"""Stores injected into actors, and the files they keep in the state folder.

``records`` record <-> bytes (pure) · ``spool`` where records go before an answer leaves
· ``batches`` reading them back · ``sqlite`` the one database: connections, transactions,
migrations · ``rows`` records as rows, money as integers · ``queries`` reading ·
``usage_log`` one JSON line an attempt · ``shield`` work that nobody can cancel, and threads ·
``store`` all of it behind ``LedgerStore`` · ``price_table`` the price list, compiled in a
child process.

aiosqlite reaches the database: a thread a connection, a fixed handful of turns a fold.
What else blocks (``batches``, the files of ``usage_log``) or may take long (decoding what
was read) is done in a thread.

The flow: ``spool.append`` on the event loop; ``store.fold`` reads closed segments in a
thread, inserts them in one transaction, exports new attempts, then removes the segment.
A crash between any two of these steps repeats work and changes nothing.
"""
