"""The reflexes of the system: Celery tasks, what rings them, and the relay. The only importer of celery."""
