"""What a message, a dialogue and an FAQ entry are: types, reading, normalising, masking, splitting."""
