"""What type checkers find in the code of users."""
