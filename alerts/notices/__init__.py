"""Messages to the staff: where each can be reached, who is on duty, pages that repeat until somebody acts, and alarms."""
