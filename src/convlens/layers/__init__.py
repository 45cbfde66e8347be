"""The building blocks of the networks: plain modules, one family a file, named as torchvision names them."""
