"""What installing shortlist takes, and with which releases of other packages it works."""
