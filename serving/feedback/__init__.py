"""What customers and agents say of answers: kept in SQLite or PostgreSQL, and handed on to training."""
