"""Pictures of a report: made anew before they are kept, without the place where they were taken unless that is wanted."""
