"""What is served already: its confirmation by another deployment, and its conversion from earlier versions."""
