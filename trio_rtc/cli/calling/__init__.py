"""``trio-rtc record``, ``play``, ``call`` and ``load``: calls without anybody who talks in them."""
