"""What to show to whom: candidates, and the lists made of them."""
