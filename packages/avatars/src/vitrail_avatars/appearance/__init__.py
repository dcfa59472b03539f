"""What people look like beside their shape: skin, eyes, hair, light."""
