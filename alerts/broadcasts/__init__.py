"""Messages to citizens: drafted, frozen, approved by a second person, cancelled and corrected."""
