"""Three things that go wrong with automation itself, and the guards that end each."""
