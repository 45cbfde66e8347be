"""What timm imports of torchvision.ops."""
