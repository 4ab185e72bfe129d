//! What the pictures promise: the truth that goes with them is the truth.

use image::RgbImage;
use jiff::civil::date;
use reinstate_specimen::{
    Area, Camera, Change, Field, Fonts, Holder, IdCard, Issue, Page, Passport, Portrait, Settings, Tamper,
};

fn fonts() -> Fonts {
    Fonts::load().expect("the fonts are installed")
}

fn passport() -> Passport {
    Passport {
        holder: Holder::invented(11),
        issue: Issue { number: "L898902C3".into(), ..Issue::invented(11) },
    }
}

fn card() -> IdCard {
    IdCard { holder: Holder::invented(12), issue: Issue::invented(12) }
}

fn draw(tampering: &[Tamper]) -> Page {
    passport().draw(&fonts(), &Portrait::drawn(), tampering)
}

/// The smallest area that holds every pixel in which two pictures differ.
fn difference(a: &RgbImage, b: &RgbImage) -> Option<Area> {
    let changed: Vec<(u32, u32)> =
        a.enumerate_pixels().filter(|(x, y, p)| *p != b.get_pixel(*x, *y)).map(|(x, y, _)| (x, y)).collect();
    let left = changed.iter().map(|p| p.0).min()? as f32;
    let right = changed.iter().map(|p| p.0).max()? as f32 + 1.0;
    let top = changed.iter().map(|p| p.1).min()? as f32;
    let bottom = changed.iter().map(|p| p.1).max()? as f32 + 1.0;
    Some([left, top, right - left, bottom - top])
}

#[track_caller]
fn assert_only_changed(within: &str, tampered: &Page) {
    let genuine = draw(&[]);
    let changed = difference(&genuine.image, &tampered.image).expect("something changed");
    let (before, after) = (genuine.truth.areas[within], tampered.truth.areas[within]);
    let slack = 2.0;
    let left = before[0].min(after[0]) - slack;
    let top = before[1].min(after[1]) - slack;
    let right = (before[0] + before[2]).max(after[0] + after[2]) + slack;
    let bottom = (before[1] + before[3]).max(after[1] + after[3]) + slack;
    let inside = changed[0] >= left
        && changed[1] >= top
        && changed[0] + changed[2] <= right
        && changed[1] + changed[3] <= bottom;
    assert!(inside, "{changed:?} is not within {within}");
}

#[test]
fn a_passport_is_as_large_as_icao_says() {
    let page = draw(&[]);
    assert_eq!(page.image.dimensions(), (1772, 1247), "125 × 88 mm at 360 dpi");
    assert_eq!(page.truth.page, [1772, 1247]);
}

#[test]
fn the_zone_of_a_drawn_document_parses_and_agrees_with_the_fields() {
    let truth = draw(&[]).truth;
    let zone = mrz::parse_td3(&truth.mrz[0], &truth.mrz[1]).unwrap();
    assert!(zone.checksum_consistent() && truth.mrz_valid);
    assert_eq!(zone.document_number, truth.fields.number);
    assert_eq!(zone.date_of_birth.to_string(), truth.fields.birth_date);

    let (front, back) = card().draw(&fonts(), &Portrait::drawn(), &[]);
    let zone = mrz::parse_td1(&back.truth.mrz[0], &back.truth.mrz[1], &back.truth.mrz[2]).unwrap();
    assert!(zone.checksum_consistent() && back.truth.mrz_valid);
    assert_eq!(zone.document_number, front.truth.fields.number);
    assert_eq!(zone.date_of_expiry.to_string(), front.truth.fields.expiry_date);
}

#[test]
fn each_side_bears_what_belongs_there() {
    let (front, back) = card().draw(&fonts(), &Portrait::drawn(), &[]);
    assert!(front.truth.areas.contains_key("portrait") && !front.truth.areas.contains_key("mrz"));
    assert!(back.truth.areas.contains_key("mrz") && !back.truth.areas.contains_key("portrait"));
    for field in ["surname", "given_names", "number", "birth_date", "expiry_date"] {
        let [x, y, w, h] = front.truth.areas[field];
        assert!(x > 0.0 && y > 0.0 && w > 20.0 && h > 10.0, "{field} is drawn");
        assert!(x + w < front.truth.page[0] as f32 && y + h < front.truth.page[1] as f32);
    }
}

#[test]
fn nothing_overlaps_however_long_the_names_are() {
    let holder = Holder {
        surname: "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh".into(),
        given_names: "Maximilian Alexander Bartholomew Christopher Ferdinand".into(),
        ..Holder::invented(1)
    };
    let page = Passport { holder, ..passport() }.draw(&fonts(), &Portrait::drawn(), &[]);
    let areas: Vec<_> = page.truth.areas.iter().collect();
    for (i, (one, a)) in areas.iter().enumerate() {
        assert!(a[0] + a[2] < page.truth.page[0] as f32, "{one} runs off the page");
        for (other, b) in &areas[i + 1..] {
            let apart =
                a[0] + a[2] <= b[0] || b[0] + b[2] <= a[0] || a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1];
            assert!(apart, "{one} touches {other}");
        }
    }
}

#[test]
fn a_digit_changed_in_the_zone_breaks_its_check_digits_and_nothing_else() {
    let page = draw(&[Tamper::Mrz { field: Field::Number, mended: false }]);
    let zone = mrz::parse_td3(&page.truth.mrz[0], &page.truth.mrz[1]).unwrap();
    assert_eq!(zone.checks.document_number, Some(false));
    assert_eq!(zone.checks.date_of_birth, Some(true));
    assert_eq!(zone.document_number, "L898902C4");
    assert_eq!((page.truth.visual.number.as_str(), page.truth.mrz_valid), ("L898902C3", false));
    assert_eq!(
        page.truth.tampering,
        [Change::Mrz { field: Field::Number, line: 1, column: 8, from: '3', to: '4', mended: false }]
    );
    assert_only_changed("mrz", &page);
}

#[test]
fn a_mended_zone_is_valid_and_disagrees_with_the_visual_zone() {
    let page = draw(&[Tamper::Mrz { field: Field::BirthDate, mended: true }]);
    let zone = mrz::parse_td3(&page.truth.mrz[0], &page.truth.mrz[1]).unwrap();
    assert!(zone.checksum_consistent() && page.truth.mrz_valid);
    assert_ne!(zone.date_of_birth.to_string(), page.truth.visual.birth_date);
    assert_only_changed("mrz", &page);
}

#[test]
fn a_change_of_the_visual_zone_leaves_the_machine_readable_zone() {
    let genuine = draw(&[]).truth;
    for (field, name) in [
        (Field::Surname, "surname"),
        (Field::GivenNames, "given_names"),
        (Field::Number, "number"),
        (Field::BirthDate, "birth_date"),
        (Field::ExpiryDate, "expiry_date"),
    ] {
        let page = draw(&[Tamper::Visual { field }]);
        assert_eq!(page.truth.mrz, genuine.mrz);
        assert_eq!(page.truth.fields, genuine.fields);
        assert_ne!(page.truth.visual, genuine.visual);
        assert_only_changed(name, &page);
    }
}

#[test]
fn a_swapped_portrait_changes_the_portrait_alone() {
    let other = Portrait::new(&RgbImage::from_pixel(70, 90, image::Rgb([20, 120, 60])).into(), None);
    let page = draw(&[Tamper::Portrait(other)]);
    assert_eq!(page.truth.tampering, [Change::Portrait]);
    assert_eq!(page.truth.visual, page.truth.fields);
    assert_only_changed("portrait", &page);
}

#[test]
fn a_foreign_zone_is_valid_and_somebody_elses() {
    let genuine = draw(&[]).truth.mrz;
    let holder = Holder { birth_date: date(1955, 2, 3), ..Holder::invented(99) };
    let page = draw(&[Tamper::Zone { holder, issue: Issue::invented(99) }]);
    assert!(page.truth.mrz_valid);
    assert_eq!(&page.truth.mrz[1][13..19], "550203");
    assert_eq!(page.truth.tampering, [Change::Zone { genuine }]);
    assert_only_changed("mrz", &page);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let page = draw(&[]);
    assert_eq!(page.png().unwrap(), draw(&[]).png().unwrap());
    let shoot = |seed| Camera::poor(seed).photograph(&page).unwrap();
    assert_eq!(shoot(1).jpeg, shoot(1).jpeg);
    assert_eq!(shoot(1).truth, shoot(1).truth);
    assert_ne!(shoot(1).jpeg, shoot(2).jpeg);
}

#[test]
fn the_corners_of_the_truth_are_the_corners_in_the_photo() {
    // A page that is all one colour, and a table that isn't: the corner truth must separate the two.
    let mut page = draw(&[]);
    page.image.pixels_mut().for_each(|pixel| pixel.0 = [250, 20, 250]);
    for quarter_turns in 0..4 {
        let settings =
            Settings { quarter_turns, tilt: [14.0, -9.0], roll: 7.0, fill: 0.7, ..Settings::ideal() };
        let photo = Camera { seed: 3, settings }.photograph(&page).unwrap();
        let picture = image::load_from_memory(&photo.jpeg).unwrap().to_rgb8();
        let taken = photo.truth.photo.unwrap();
        assert_eq!(picture.dimensions(), (taken.width, taken.height));
        let middle: [f32; 2] =
            std::array::from_fn(|axis| taken.corners.iter().map(|corner| corner[axis]).sum::<f32>() / 4.0);
        // Rounded corners of 3 mm leave 1.24 mm of the diagonal bare, about 1 % of the way to the middle.
        let at = |corner: [f32; 2], inward: f32| {
            let point: [f32; 2] =
                std::array::from_fn(|axis| corner[axis] + (middle[axis] - corner[axis]) * inward);
            let pixel = picture.get_pixel(point[0] as u32, point[1] as u32).0;
            pixel[0] > 180 && pixel[1] < 90
        };
        for corner in taken.corners {
            assert!(at(corner, 0.05), "page just inside of {corner:?} after {quarter_turns} turns");
            assert!(!at(corner, -0.03), "table just outside of {corner:?} after {quarter_turns} turns");
        }
    }
}

#[test]
fn the_corner_order_follows_the_page_when_the_photo_is_turned() {
    let page = draw(&[]);
    let settings = Settings { quarter_turns: 1, ..Settings::ideal() };
    let taken = Camera { seed: 3, settings }.photograph(&page).unwrap().truth.photo.unwrap();
    let [top_left, top_right, ..] = taken.corners;
    // Turned clockwise, the page's top edge runs down the right side of the photo.
    assert!(top_right[1] > top_left[1] && (top_right[0] - top_left[0]).abs() < 1.0, "{:?}", taken.corners);
    assert!(taken.height > taken.width);
}

#[test]
fn worse_cameras_lose_more_detail() {
    let page = draw(&[]);
    // The mean step between neighbours along the zone's rows, where the ink is.
    let detail = |camera: Camera| {
        let photo = camera.photograph(&page).unwrap();
        let picture = image::load_from_memory(&photo.jpeg).unwrap().to_luma8();
        let picture = image::imageops::blur(&picture, 1.0);
        let steps = picture.rows().flat_map(|row| {
            let row: Vec<i32> = row.map(|p| i32::from(p.0[0])).collect();
            row.windows(2).map(|w| (w[0] - w[1]).abs()).filter(|step| *step > 20).collect::<Vec<_>>()
        });
        steps.count()
    };
    let [good, poor, terrible] = [Camera::good(4), Camera::poor(4), Camera::terrible(4)].map(detail);
    assert!(good > poor && poor > 10 * terrible, "{good}, {poor}, {terrible}");
}
