"""When a death may be published: who confirmed it, whether the family was told, and each with a name and a reason."""
