//! The fonts that specimens are set in, from Debian's packages: OCR-B for the machine-readable zone, DejaVu for the rest.

use std::path::{Path, PathBuf};

use ab_glyph::FontArc;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the font {} can't be read: install the Debian package {package}", path.display())]
    Missing {
        path: PathBuf,
        package: &'static str,
        #[source]
        cause: std::io::Error,
    },
    #[error("the font {} is damaged: reinstall the Debian package {package}", path.display())]
    Damaged {
        path: PathBuf,
        package: &'static str,
        #[source]
        cause: ab_glyph::InvalidFont,
    },
}

/// Loaded once and shared by every drawing.
#[derive(Clone)]
pub struct Fonts {
    pub(crate) zone: FontArc,
    pub(crate) regular: FontArc,
    pub(crate) bold: FontArc,
    /// For values that are pasted in.
    pub(crate) serif: FontArc,
    /// A typewriter's.
    pub(crate) mono: FontArc,
}

impl Fonts {
    /// From where Debian puts them.
    pub fn load() -> Result<Self, Error> {
        Self::under(Path::new("/usr/share/fonts"))
    }

    /// From a folder laid out as Debian's `/usr/share/fonts`.
    pub fn under(root: &Path) -> Result<Self, Error> {
        Ok(Self {
            zone: font(root, "opentype/ocr-b/OCRB.otf", "fonts-ocr-b")?,
            regular: font(root, "truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core")?,
            bold: font(root, "truetype/dejavu/DejaVuSans-Bold.ttf", "fonts-dejavu-core")?,
            serif: font(root, "truetype/dejavu/DejaVuSerif-Bold.ttf", "fonts-dejavu-core")?,
            mono: font(root, "truetype/dejavu/DejaVuSansMono-Bold.ttf", "fonts-dejavu-core")?,
        })
    }
}

fn font(root: &Path, name: &str, package: &'static str) -> Result<FontArc, Error> {
    let path = root.join(name);
    let bytes =
        std::fs::read(&path).map_err(|cause| Error::Missing { path: path.clone(), package, cause })?;
    FontArc::try_from_vec(bytes).map_err(|cause| Error::Damaged { path, package, cause })
}

#[cfg(test)]
mod tests {
    use ab_glyph::Font;

    use super::*;

    #[test]
    fn a_missing_font_names_the_debian_package() {
        let error = Fonts::under(Path::new("/nonexistent")).err().expect("no fonts there");
        assert!(error.to_string().contains("fonts-ocr-b"), "{error}");
    }

    #[test]
    fn ocr_b_draws_every_character_of_the_zone() {
        let fonts = Fonts::load().unwrap();
        for c in ('A'..='Z').chain('0'..='9').chain(['<']) {
            assert!(fonts.zone.outline(fonts.zone.glyph_id(c)).is_some(), "no outline for {c}");
        }
    }
}
