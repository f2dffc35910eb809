"""The programs in examples/, each with a real peer."""
