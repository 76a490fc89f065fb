"""Label dropout in other people's frameworks; each module imports its own framework, and nothing else imports it."""
