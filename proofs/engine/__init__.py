"""What a claim is, how its steps are checked, and how the ledger of all claims is run and shown."""
