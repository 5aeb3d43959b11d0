"""Who was reached by a message, in every cut that somebody will ask for, over time, and as a document that can be shown."""
