made by a test
