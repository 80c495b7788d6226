"""Write plans, findings and verifications for people and for programs."""
