//! Says what happens, while it happens, to a person who watches.

use std::io::{self, Write};

/// Writes lines; who does something stands in a column of its own.
pub struct Teller<'a>(&'a mut dyn Write);

impl<'a> Teller<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self(out)
    }

    /// A story begins.
    ///
    /// # Errors
    /// When the line can't be written, as for all the others.
    pub fn title(&mut self, letter: char, title: &str) -> io::Result<()> {
        writeln!(self.0, "\n({letter}) {title}\n")
    }

    /// Somebody does something.
    ///
    /// # Errors
    /// As [`Self::title`].
    pub fn says(&mut self, who: &str, what: &str) -> io::Result<()> {
        writeln!(self.0, "    {who:<9} {what}")
    }

    /// A text of several lines, as it is.
    ///
    /// # Errors
    /// As [`Self::title`].
    pub fn shows(&mut self, text: &str) -> io::Result<()> {
        write!(self.0, "\n{text}")
    }
}
