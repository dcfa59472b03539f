"""Images with labels and without, from wherever people keep them."""
