//! Plans, schedules and runs actions: all concurrency is here.
