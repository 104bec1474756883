"""Files that go to the board as they are: nothing here is imported by gatewright."""
