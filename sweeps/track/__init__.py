"""What a running sweep shows, and where it is logged."""
