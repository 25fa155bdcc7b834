"""No Django here."""
