//! What every service does around its own work.
