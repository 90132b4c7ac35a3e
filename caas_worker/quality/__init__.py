"""The rules behind the tutors' quality figures (scoring 3 to 10): sums in, scores out. Pure but for one file."""
