"""Pages for the ministry, the missions and the minister: server-rendered, usable without script."""
