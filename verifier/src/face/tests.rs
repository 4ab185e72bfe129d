use image::{Rgb, RgbImage};
use reinstate_domain::evidence::Decision;
use reinstate_domain::face::{FaceThresholds, judge};

use super::*;
use crate::recognise::Angles;

/// Knows the right answer: a picture's first pixel says how many faces it shows, and whose.
struct Oracle;

impl FaceDetection for Oracle {
    fn detect(&mut self, picture: &Picture) -> Result<Vec<DetectedFace>, Error> {
        let landmarks = [[80.0, 90.0], [120.0, 90.0], [100.0, 110.0], [85.0, 130.0], [115.0, 130.0]];
        let face = |i: u8| DetectedFace {
            bounds: [60.0, 50.0, 80.0 - f32::from(i), 100.0],
            score: 0.5 + f32::from(i) / 100.0,
            landmarks,
        };
        Ok((0..picture.rgb().get_pixel(0, 0).0[0]).rev().map(face).collect())
    }
}

impl FaceEmbedding for Oracle {
    fn embed(&mut self, picture: &Picture, _: &DetectedFace) -> Result<Vec<f32>, Error> {
        let angle = f32::from(picture.rgb().get_pixel(0, 0).0[1]).to_radians();
        Ok(vec![angle.cos(), angle.sin()])
    }
}

impl FaceLiveness for Oracle {
    fn liveness(&mut self, picture: &Picture, _: &DetectedFace) -> Result<f32, Error> {
        Ok(f32::from(picture.rgb().get_pixel(0, 0).0[2]) / 100.0)
    }
}

impl FacePose for Oracle {
    fn pose(&mut self, _: &Picture, _: &DetectedFace) -> Result<Angles, Error> {
        Ok(Angles { yaw: 1.0, pitch: 2.0, roll: 3.0 })
    }
}

/// Without landmarks and eyes, which a bundle may leave out.
fn matcher() -> FaceMatcher {
    FaceMatcher {
        detection: Box::new(Oracle),
        embedding: Box::new(Oracle),
        liveness: Box::new(Oracle),
        pose: Box::new(Oracle),
        landmarks: None,
        eyes: None,
    }
}

/// An image file with that many faces, of somebody at that angle, so live.
fn file(faces: u8, degrees: u8, percent_live: u8) -> Vec<u8> {
    let image = RgbImage::from_pixel(200, 200, Rgb([faces, degrees, percent_live]));
    Picture::from_rgb(image).png().unwrap()
}

/// The same with a brighter picture, which is a better one.
fn better(degrees: u8, percent_live: u8) -> Vec<u8> {
    let first = Rgb([1, degrees, percent_live]);
    let image = RgbImage::from_fn(200, 200, |x, y| {
        if x + y == 0 { first } else { Rgb([200, 220 + (x % 7 * y % 5) as u8, 200]) }
    });
    Picture::from_rgb(image).png().unwrap()
}

fn examine(frames: &[Vec<u8>], references: &[Vec<u8>]) -> FaceObservation {
    let frames: Vec<_> =
        frames.iter().map(|image| Frame { action: Action::LookAhead, image: image.as_slice() }).collect();
    let references: Vec<_> = references.iter().map(|image| (Reference::OnFile, image.as_slice())).collect();
    matcher().examine(&frames, &references).unwrap().observation
}

#[track_caller]
fn is_cosine(cosine: Option<f32>, degrees: f32) {
    let cosine = cosine.unwrap();
    assert!((cosine - degrees.to_radians().cos()).abs() < 1e-3, "{cosine} is not the cosine of {degrees}");
}

#[test]
fn the_best_frame_is_compared_and_all_with_each_other() {
    let observation = examine(&[file(1, 10, 90), better(20, 70), file(1, 30, 80)], &[file(1, 60, 0)]);
    is_cosine(observation.similarity(), 40.0);
    is_cosine(observation.consistency, 20.0);
    assert_eq!(observation.liveness, Some(0.7));
}

#[test]
fn the_lowest_of_two_references_is_the_similarity() {
    let observation = examine(&[file(1, 10, 90)], &[file(1, 15, 0), file(1, 50, 0)]);
    is_cosine(observation.similarity(), 40.0);
    assert_eq!(observation.consistency, None);
}

#[test]
fn a_frame_without_a_face_leaves_nothing_to_compare_and_the_others_measured() {
    let observation = examine(&[file(1, 10, 90), file(0, 0, 0)], &[file(1, 10, 0)]);
    assert_eq!(observation.similarity(), None);
    assert!(observation.frames[0].measures.is_some() && observation.frames[1].measures.is_none());
}

#[test]
fn a_reference_without_a_face_says_so() {
    let observation = examine(&[file(1, 10, 90)], &[file(0, 0, 0), b"not an image".to_vec()]);
    let faults: Vec<_> = observation.similarities.iter().map(|s| s.fault).collect();
    assert_eq!(faults, [Some(ReasonCode::FaceNotFound), Some(ReasonCode::ImageUnsupported)]);
}

#[test]
fn a_frame_that_is_no_image_is_a_fault_of_that_frame() {
    let observation = examine(&[b"not an image".to_vec(), file(1, 10, 90)], &[]);
    assert_eq!(observation.frames[0].fault, Some(ReasonCode::ImageUnsupported));
    assert_eq!(observation.frames[1].fault, None);
}

#[test]
fn the_largest_face_comes_first_and_is_the_one_that_is_measured() {
    let frame = &examine(&[file(3, 10, 90)], &[]).frames[0];
    assert_eq!(frame.faces.iter().map(|face| face.bounds[2]).collect::<Vec<_>>(), [80.0, 79.0, 78.0]);
    assert_eq!(frame.measures.as_ref().unwrap().size, 80.0);
}

/// A head of a plane with a nose before it. The picture's first pixel says how far it is turned to the owner's left, raised (both
/// in degrees, from 100 on) and how open its eyes are, in percent. With `flat` it is a picture of one: the pose seems to
/// change and no point leaves the plane.
struct Head {
    flat: bool,
}

impl Head {
    fn of(picture: &Picture) -> [f32; 3] {
        picture.rgb().get_pixel(0, 0).0.map(f32::from)
    }
}

impl FaceDetection for Head {
    fn detect(&mut self, picture: &Picture) -> Result<Vec<DetectedFace>, Error> {
        Oracle.detect(&Picture::from_rgb(RgbImage::from_pixel(
            picture.width(),
            picture.height(),
            Rgb([1, 0, 0]),
        )))
    }
}

impl FaceEmbedding for Head {
    fn embed(&mut self, _: &Picture, _: &DetectedFace) -> Result<Vec<f32>, Error> {
        Ok(vec![1.0, 0.0])
    }
}

impl FaceLiveness for Head {
    fn liveness(&mut self, _: &Picture, _: &DetectedFace) -> Result<f32, Error> {
        Ok(0.99)
    }
}

impl FacePose for Head {
    fn pose(&mut self, picture: &Picture, _: &DetectedFace) -> Result<Angles, Error> {
        let [left, up, _] = Self::of(picture);
        Ok(Angles { yaw: 100.0 - left, pitch: up - 100.0, roll: 0.0 })
    }
}

impl FaceLandmarks for Head {
    fn landmarks(&mut self, picture: &Picture, _: &DetectedFace) -> Result<Landmarks68, Error> {
        let [left, up, _] = Self::of(picture).map(|degrees| f64::from(degrees - 100.0).to_radians());
        Ok(std::array::from_fn(|n| {
            let angle = n as f64;
            let (x, y, z) = match n {
                36..42 => (-0.5 + 0.2 * angle.cos(), 0.1 * angle.sin(), 0.0),
                42..48 => (0.5 + 0.2 * angle.cos(), 0.1 * angle.sin(), 0.0),
                48..60 => (0.4 * angle.cos(), 1.1 + 0.15 * angle.sin(), 0.0),
                _ => (0.0, 0.6, if self.flat { 0.0 } else { 0.35 }),
            };
            let (x, z) = (x * left.cos() + z * left.sin(), z * left.cos() - x * left.sin());
            let y = y * up.cos() - z * up.sin();
            [(100.0 + 40.0 * x) as f32, (90.0 + 40.0 * y) as f32]
        }))
    }
}

impl EyeState for Head {
    fn open(&mut self, picture: &Picture, _: &Landmarks68) -> Result<[f32; 2], Error> {
        let [.., open] = Self::of(picture);
        Ok([open / 100.0; 2])
    }
}

/// What is made of a head that looks ahead and then does this, when it was asked for that.
fn challenge(flat: bool, asked: Action, [left, up, open]: [i16; 3]) -> Decision {
    let head = || Head { flat };
    let mut matcher = FaceMatcher {
        detection: Box::new(head()),
        embedding: Box::new(head()),
        liveness: Box::new(head()),
        pose: Box::new(head()),
        landmarks: Some(Box::new(head())),
        eyes: Some(Box::new(head())),
    };
    let photo = |left: i16, up: i16, open: i16| {
        let first = Rgb([left + 100, up + 100, open].map(|v| u8::try_from(v).unwrap()));
        let image = RgbImage::from_fn(200, 200, |x, y| match (x, y) {
            (0, 0) => first,
            _ => Rgb([200 - (x * 31 + y * 17) as u8 % 60; 3]),
        });
        Picture::from_rgb(image).png().unwrap()
    };
    let (first, second) = (photo(0, 0, 98), photo(left, up, open));
    let frames =
        [Frame { action: Action::LookAhead, image: &first }, Frame { action: asked, image: &second }];
    let observation = matcher.examine(&frames, &[(Reference::OnFile, &first)]).unwrap().observation;
    // The drawn surface repeats itself, as a screen does.
    let thresholds = Bundle::open(None).unwrap().face_thresholds().clone();
    judge(&observation, &FaceThresholds { review_pattern_above: None, ..thresholds }).decision
}

#[test]
fn every_action_is_seen_for_what_it_is() {
    let deeds = [
        (Action::TurnLeft, [25, 0, 98]),
        (Action::TurnRight, [-25, 0, 98]),
        (Action::LookUp, [0, 20, 98]),
        (Action::LookDown, [0, -20, 98]),
        (Action::CloseEyes, [0, 0, 2]),
    ];
    for (asked, _) in deeds {
        for (done, deed) in deeds {
            let expected = if asked == done { Decision::Pass } else { Decision::Fail };
            assert_eq!(challenge(false, asked, deed), expected, "asked for {asked:?}, did {done:?}");
        }
    }
}

#[test]
fn a_flat_picture_that_is_held_aslant_fails_whatever_its_pose_reads() {
    for (asked, deed) in [
        (Action::TurnLeft, [25, 0, 98]),
        (Action::TurnRight, [-25, 0, 98]),
        (Action::LookUp, [0, 20, 98]),
        (Action::LookDown, [0, -20, 98]),
    ] {
        assert_eq!(challenge(true, asked, deed), Decision::Fail, "{asked:?}");
    }
}
