"""Names become networks: the zoo, timm, modules of one's own, and the cache of their graphs."""
