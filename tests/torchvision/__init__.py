"""torchvision's networks as people bring them, in an environment of their own (`make test-torchvision`)."""
