"""The outside world of carriers: ports, their adapters, country rules and text measures. Nothing else imports twilio."""
