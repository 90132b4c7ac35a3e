"""Documentation: pages by hand, and the generator of docs/reference/."""
