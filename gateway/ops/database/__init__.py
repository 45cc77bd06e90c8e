"""The database: one thread that has it, migrations, and the spool of what waits for it."""
