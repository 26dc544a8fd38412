"""What experiments can be concluded by: metrics of answers, and bandits."""
