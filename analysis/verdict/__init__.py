"""What a study shows: every summary and comparison once, and the decisions that follow from them."""
