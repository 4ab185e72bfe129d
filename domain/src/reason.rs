//! Reason codes (api.md §3): what an owner may be told, what only staff may read, and whether trying again can help.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($variant:ident $code:literal $retry:literal $owner:literal, $staff:literal;)*) => {
        /// A stable code. These names are storage and contract: they are only added to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ReasonCode {
            $(#[serde(rename = $code)] $variant,)*
        }

        impl ReasonCode {
            /// Every code, in the order of the contract's tables.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is written in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// A text that is safe to show to whoever holds the owner's token: it helps an owner and tells a thief nothing.
            #[must_use]
            pub fn owner_text(self) -> &'static str {
                match self { $(Self::$variant => $owner,)* }
            }

            /// A text for reviewers and auditors only.
            #[must_use]
            pub fn staff_text(self) -> &'static str {
                match self { $(Self::$variant => $staff,)* }
            }

            /// Whether the same owner, trying again with more care, could succeed.
            #[must_use]
            pub fn retry(self) -> bool {
                match self { $(Self::$variant => $retry,)* }
            }
        }
    };
}

reasons! {
    ImageUnsupported "image_unsupported" true "Send the picture as JPEG, PNG or WebP.", "The bytes are not a JPEG, PNG or WebP image.";
    ImageCorrupt "image_corrupt" true "The picture could not be opened. Take it again.", "The image could not be decoded.";
    ImageTooLarge "image_too_large" true "The picture is too large. Send a smaller one.", "The image exceeds the limit of bytes or pixels.";
    ImageTooSmall "image_too_small" true "The picture is too small to read. Take it closer or at a higher resolution.", "The image has too few pixels.";
    DocumentNotFound "document_not_found" true "No document was found in the picture. Lay it flat and fill the frame with it.", "Neither enough text nor a machine-readable zone was found.";
    DocumentBlurred "document_blurred" true "The picture is blurred. Hold still, and let the camera focus on the document before you take it.", "Sharpness of the text is below the threshold.";
    DocumentGlare "document_glare" true "A light is reflected on the document. Hold it so that the lamp does not shine on it.", "Saturated area over the page is above the threshold.";
    DocumentDark "document_dark" true "It is too dark. Lay the document under a light, without your own shadow on it.", "The page's mean luminance is below the threshold.";
    DocumentCropped "document_cropped" true "A part of the document is outside the picture. Move back until all four corners are in it.", "Text touches the edge of the picture.";
    DocumentTypeMismatch "document_type_mismatch" true "This is not the kind of document that you chose.", "The machine-readable zone's document code or issuer disagrees with the declared type or country.";
    DocumentNotAccepted "document_not_accepted" true "This document can't be used here. Choose another one.", "The policy does not accept this type of document.";
    DocumentExpired "document_expired" true "This document has expired. Use a valid one.", "The expiry date is before the day of the check.";
    DocumentUnreadable "document_unreadable" true "The document could not be read. Lay it flat in good light, fill the frame with it and let nothing cover its text.", "The machine-readable zone or the fields could not be read with certainty, or print does not confirm the surname, the given names or the birth date of the zone.";
    DocumentCheckDigitFailed "document_check_digit_failed" true "The document could not be verified.", "The machine-readable zone was read clearly and its check digits disagree with its fields.";
    DocumentFieldsDisagree "document_fields_disagree" true "The document could not be verified.", "The visual zone and the machine-readable zone disagree.";
    DocumentNameMismatch "document_name_mismatch" true "The document does not match the account.", "The name on the document is not the name on file.";
    DocumentBirthDateMismatch "document_birth_date_mismatch" true "The document does not match the account.", "The birth date on the document is not the birth date on file.";
    DocumentUncertain "document_uncertain" true "The document needs a closer look by our staff.", "Dates contradict one another, a sign of a copy, a screen, an altered field, a glued or a second portrait is beyond its threshold, the number has a form that its issuer does not give, or the digits of the zone would agree with an O for a 0.";
    DocumentPortraitMissing "document_portrait_missing" true "The photo on the document could not be seen. Show the page with the photo.", "No portrait was found on the document.";
    FaceNotFound "face_not_found" true "No face was found. Look into the camera.", "No face was detected in a frame.";
    FaceMultiple "face_multiple" true "More than one face is in the picture. Be alone in front of the camera.", "Several faces were detected in a frame.";
    FaceTooSmall "face_too_small" true "Come closer to the camera.", "The face is smaller than the threshold.";
    FaceCropped "face_cropped" true "A part of your face is outside the picture. Show all of it.", "The visible part of the face is below the threshold.";
    FaceBlurred "face_blurred" true "The picture is blurred. Hold still.", "Sharpness of the face is below the threshold.";
    FaceDark "face_dark" true "It is too dark. Turn on a light in front of you.", "The face is too dark.";
    FaceOverexposed "face_overexposed" true "There is too much light on your face. Move away from the lamp or the sun.", "A large part of the face is as bright as the picture can show.";
    FaceSideLight "face_side_light" true "The light comes from the side. Turn to the light.", "One half of the face is far brighter than the other.";
    FaceEyesClosed "face_eyes_closed" true "Keep your eyes open.", "Both eyes are closed.";
    FaceCovered "face_covered" true "A part of your face is covered. Take off sunglasses, mask or scarf.", "The landmarks of the face do not fit where the detector saw eyes, nose and mouth.";
    FaceTurned "face_turned" true "Look straight into the camera.", "The head's pose is outside the limits.";
    FaceChallengeFailed "face_challenge_failed" true "The pictures did not follow the instructions. Try again.", "A frame does not show the action that was asked for, or the frames do not belong together.";
    FaceNotLive "face_not_live" true "The face check did not succeed. Try again in good light, without a screen or a photo.", "Passive liveness is below the threshold.";
    FaceMismatch "face_mismatch" true "The face check did not succeed.", "The similarity is below the threshold of the human review.";
    FaceUncertain "face_uncertain" true "The face check needs a closer look by our staff.", "A score lies between refusal and acceptance.";
    CodeWrong "code_wrong" true "The code is wrong.", "A wrong code was entered.";
    CodeExpired "code_expired" true "The code has expired. Ask for a new one.", "The code was entered after its end.";
    CodeNotRequested "code_not_requested" true "Ask for a code first.", "A code was entered although none is open.";
    AttemptsExhausted "attempts_exhausted" false "There were too many attempts.", "The cap on attempts was reached.";
    AnswersWrong "answers_wrong" true "The answers are not right.", "At least one security answer was wrong.";
    CoolingOff "cooling_off" true "The account was locked a short while ago. Try again later.", "The cooling-off time is not over.";
    CaseExpired "case_expired" true "The time for this reactivation is over. Start again.", "The case reached the end of its lifetime.";
    Superseded "superseded" false "This reactivation is no longer needed.", "The account was released or erased meanwhile.";
    ReviewerDenied "reviewer_denied" false "The reactivation was not approved.", "A reviewer denied the case.";
}

impl ReasonCode {
    /// Whether the picture is at fault and not what it shows: a better one may be taken at once.
    #[must_use]
    pub fn is_about_the_picture(self) -> bool {
        use ReasonCode as R;
        matches!(
            self,
            R::ImageUnsupported
                | R::ImageCorrupt
                | R::ImageTooLarge
                | R::ImageTooSmall
                | R::DocumentNotFound
                | R::DocumentBlurred
                | R::DocumentGlare
                | R::DocumentDark
                | R::DocumentCropped
                | R::DocumentUnreadable
                | R::DocumentTypeMismatch
                | R::DocumentPortraitMissing
                | R::FaceNotFound
                | R::FaceMultiple
                | R::FaceTooSmall
                | R::FaceBlurred
                | R::FaceCropped
                | R::FaceDark
                | R::FaceOverexposed
                | R::FaceSideLight
                | R::FaceEyesClosed
                | R::FaceCovered
                | R::FaceTurned
                | R::FaceChallengeFailed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_own_text() {
        for code in ReasonCode::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
            assert_eq!(serde_json::from_str::<ReasonCode>(&json).unwrap(), *code);
        }
    }

    #[test]
    fn what_an_owner_is_told_of_a_forgery_does_not_say_what_gave_it_away() {
        use ReasonCode::{DocumentCheckDigitFailed, DocumentFieldsDisagree};
        assert_eq!(DocumentCheckDigitFailed.owner_text(), DocumentFieldsDisagree.owner_text());
    }
}
