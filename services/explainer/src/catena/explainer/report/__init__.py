"""What an explanation says: checks against process knowledge, words, plots, the page."""
