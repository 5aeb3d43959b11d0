"""A carrier that behaves: Twilio's Messages API and FCM v1 over HTTP, with receipts, people who reply, and planned faults."""
