//! The checks: one file each. Every check takes a whole history and says one [`Finding`].
