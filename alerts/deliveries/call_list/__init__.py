"""Who was not reached by any message, for people of the missions to telephone."""
