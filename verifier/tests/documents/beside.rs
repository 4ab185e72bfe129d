//! What lies beside a document, or is handed in with it, is not part of it.

use reinstate_domain::document::DocumentType;
use reinstate_domain::evidence::Decision;
use reinstate_domain::reason::ReasonCode;
use reinstate_specimen::{Camera, Page};
use reinstate_verifier::models::cache_dir;

use crate::story::{Story, TODAY, examine, jpeg, reader, with_skin_over};

#[test]
fn a_passport_has_the_portrait_of_its_own_page_whatever_is_handed_in_as_its_front() {
    let (owner, other) = (Story::of(2), Story::of(4));
    // It bears the owner's names and birth date, as a thief would see to.
    let (card, _) = Story { holder: owner.holder.clone(), ..other }.sides();
    let photo = |page: &Page| Camera::good(2).photograph(page).unwrap().jpeg;
    let passport = photo(&owner.page());
    let alone = examine(&passport);
    let behind = reader().examine(&photo(&card), Some(&passport), TODAY).unwrap();
    assert_eq!(behind.observation.portrait, alone.observation.portrait);
    assert_eq!(behind.portrait.unwrap().rgb(), alone.portrait.unwrap().rgb());
    assert_eq!(owner.judged(&behind.observation, DocumentType::Passport).decision, Decision::Pass);
}

/// The page with somebody else's photo beside it, so many times as high, on paper as white as the page, so that it does not stand out.
fn beside_anothers_photo(page: &Page, share: f32) -> Vec<u8> {
    let other = image::open(cache_dir().join("photos/biden.jpg")).unwrap().to_rgb8();
    let side = (page.image.height() as f32 * share) as u32;
    // Bright enough that the whole is not too dark to be read.
    let other = image::imageops::brighten(&other, 80);
    let photo = image::imageops::resize(&other, side, side, image::imageops::FilterType::Triangle);
    let mut both = image::RgbImage::from_pixel(
        page.image.width() + side,
        page.image.height().max(side),
        image::Rgb([246, 246, 242]),
    );
    image::imageops::replace(&mut both, &page.image, 0, 0);
    image::imageops::replace(&mut both, &photo, i64::from(page.image.width()), 0);
    jpeg(&both)
}

#[test]
fn a_date_that_lies_beside_the_document_is_not_printed_on_it() {
    let story = Story::of(2);
    let page = story.page();
    let date = page.truth.areas["birth_date"];
    let [x, y, width, height] = date.map(|pixels| pixels as u32);
    let note = image::imageops::crop_imm(&page.image, x - 8, y - 8, width + 16, height + 16).to_image();
    let (edge, high) = page.image.dimensions();
    let mut table = image::RgbImage::from_pixel(edge + width + 160, high, image::Rgb([246, 246, 242]));
    image::imageops::replace(&mut table, &with_skin_over(&page, date).image, 0, 0);
    image::imageops::replace(&mut table, &note, i64::from(edge) + 80, i64::from(y));
    let observation = examine(&jpeg(&table)).observation;
    assert_eq!((observation.mrz.unwrap().valid, observation.visual.birth_date), (true, None));
}

#[test]
fn of_two_passports_side_by_side_one_is_read() {
    let couple = [Story::of(2), Story::of(4)];
    let [one, other] = couple.each_ref().map(Story::page);
    let (width, height) = one.image.dimensions();
    let mut table = image::RgbImage::from_pixel(2 * width + 160, height + 120, image::Rgb([238, 240, 240]));
    image::imageops::replace(&mut table, &one.image, 60, 60);
    image::imageops::replace(&mut table, &other.image, i64::from(width) + 100, 60);
    let observation = examine(&jpeg(&table)).observation;
    let read = observation.mrz.as_ref().unwrap();
    let at =
        [&one, &other].iter().position(|page| page.truth.mrz == read.lines).expect("one of the two zones");
    let verdict = couple[at].judged(&observation, DocumentType::Passport);
    assert_eq!((verdict.decision, verdict.reasons), (Decision::Pass, Vec::new()));
}

#[test]
fn the_photo_of_another_beside_a_document_is_not_its_portrait() {
    let story = Story::of(2);
    let passport = story.page();
    let observation = examine(&beside_anothers_photo(&passport, 1.0)).observation;
    let [left, _, width, _] = observation.portrait.as_ref().unwrap().bounds;
    assert!(left + width < passport.image.width(), "{left} + {width}");
    assert_eq!(story.judged(&observation, DocumentType::Passport).decision, Decision::Pass);

    let (front, back) = story.sides();
    let (photo, back) = (beside_anothers_photo(&front, 1.8), Camera::good(2).photograph(&back).unwrap().jpeg);
    let observation = reader().examine(&photo, Some(&back), TODAY).unwrap().observation;
    let [left, _, width, _] = observation.portrait.as_ref().unwrap().bounds;
    assert!(left + width < front.image.width(), "{left} + {width}");
    let verdict = story.judged(&observation, DocumentType::IdCard);
    assert_eq!((verdict.decision, verdict.reasons), (Decision::Review, vec![ReasonCode::DocumentUncertain]));
}
