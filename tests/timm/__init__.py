"""timm as people use it: real networks of the library, in an environment of their own (`make test-timm`)."""
