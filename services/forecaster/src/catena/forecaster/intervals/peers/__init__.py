"""Other ways to intervals, behind the same interface, for comparison."""
