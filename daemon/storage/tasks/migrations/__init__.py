"""Changes of the layout of the tasks' database, like those of the ledger's."""
