//! Reading an identity document: from pictures to an observation.

mod mrz;
