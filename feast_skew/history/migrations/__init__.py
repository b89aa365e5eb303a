"""How the tables of the history came to be, in steps that Alembic takes one after another."""
