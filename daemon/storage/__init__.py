"""Stores injected into actors, and the files they keep in the state folder.

``records`` record <-> bytes (pure) · ``spool`` where records go before an answer leaves
· ``batches`` reading them back · ``sqlite`` the one database: connections, transactions,
migrations · ``rows`` records as rows, money as integers · ``queries`` reading ·
``usage_log`` one JSON line an attempt · ``shield`` work that nobody can cancel ·
``store`` all of it behind ``LedgerStore`` · ``price_table`` the price list, compiled in a
child process.

``spool`` and ``store`` belong to the event loop; the rest blocks, and ``store`` has it
done in threads, a whole step at a time.

The flow: ``spool.append`` on the event loop; ``store.fold`` reads closed segments in a
thread, inserts them in one transaction, exports new attempts, then removes the segment.
A crash between any two of these steps repeats work and changes nothing.
"""
