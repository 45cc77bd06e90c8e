"""The words spoken on each wire. Pure: text in, structs out, and back."""
