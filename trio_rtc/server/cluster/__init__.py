"""A cluster: any number of servers on one Redis, which keeps their rooms, members and mail."""
