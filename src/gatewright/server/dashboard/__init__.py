"""Door 3, pages for people. Today one page: what this server is, and how to get through its door."""
