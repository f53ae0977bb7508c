"""What the inside of a learning agent tells: how its critics generalize, what they claim, and when to worry."""
