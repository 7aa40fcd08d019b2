"""History: sealed seconds become minutes, hours and days, which are kept in a file of their own."""
